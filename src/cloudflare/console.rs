//! Parapet's own paths: who may, then what was asked.
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::select;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use worker::{Delay, Env};

use super::bindings;
use super::collector::{Ask, Write, Written};
use super::collectors::live_window;
use super::d1::D1;
use super::isolate::{self, Here};
use super::outbound::Outbound;
use super::{active, alerts, clock, collectors, glue};
use crate::alert::link::{LINK_SIGNING_SECRET, Signer};
use crate::alert::respond::{Act, Verb};
use crate::channel::SLACK_SIGNING_SECRET;
use crate::config::Config;
use crate::edge::pipeline::Facts;
use crate::ports::Http;
use crate::sorted::Map;
use crate::telemetry::buffer::{Batch, Entry};
use crate::telemetry::window::{Detail, LIVE_MS, merge_answers};
use crate::time::{SECOND_MS, UnixMs};
use crate::web::auth::{self, Principal};
use crate::web::endpoint::{self, Alertmanager, Endpoint, LinkStep};
use crate::web::health::{self, Intake, Messages, Seen, Ticks};
use crate::web::problem::{self, Problem};
use crate::web::realtime::{self, Surroundings};
use crate::web::respond::Shown;
use crate::web::{self, exposition, ingest, link};

/// A status, a content type and a body.
struct Reply {
    status: u16,
    content_type: &'static str,
    body: String,
}

impl Reply {
    fn json<T: serde::Serialize>(status: u16, body: &T) -> Self {
        Self { status, content_type: "application/json", body: serde_json::to_string(body).unwrap_or_default() }
    }
}

/// Largest body any endpoint takes.
const MAX_BODY_BYTES: usize = 2_000_000;

/// One request to a path of Parapet's.
struct Call<'a> {
    request: web_sys::Request,
    facts: &'a Facts<'a>,
    query: &'a str,
    env: &'a Env,
    here: &'a Here,
    config: Rc<Config>,
    now: UnixMs,
}

/// Answers a request to one of Parapet's own paths; whatever fails is a problem document, never a bare 500.
pub(super) async fn answer(
    request: web_sys::Request,
    facts: &Facts<'_>,
    url: &str,
    env: &Env,
    here: &Here,
    now: UnixMs,
) -> worker::Result<web_sys::Response> {
    let query = url.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default());
    let call = Call { request, facts, query, env, here, config: here.config(), now };
    let reply = match call.run().await {
        Ok(reply) => reply,
        Err(problem) => {
            let challenge = auth::www_authenticate(&problem).map(|challenge| ("www-authenticate", challenge));
            let (status, problem) = (problem.status, problem.for_request(facts.request_id));
            let reply = if facts.path.starts_with("/api/v2/") {
                Reply { status, content_type: "application/json", body: web::alertmanager::error_text(&problem) }
            } else {
                Reply { status, content_type: problem::CONTENT_TYPE, body: problem.to_json() }
            };
            return respond(&reply, facts, challenge);
        }
    };
    respond(&reply, facts, None)
}

fn respond(reply: &Reply, facts: &Facts<'_>, extra: Option<(&str, &str)>) -> worker::Result<web_sys::Response> {
    let mut fields: Vec<String> = [
        "content-type",
        reply.content_type,
        "cache-control",
        "no-store",
        "x-content-type-options",
        "nosniff",
        "x-request-id",
        facts.request_id,
    ]
    .map(str::to_owned)
    .to_vec();
    if reply.content_type == link::CONTENT_TYPE {
        fields.extend(link::HEADERS.map(str::to_owned));
    }
    if let Some((name, value)) = extra {
        fields.extend([name.to_owned(), value.to_owned()]);
    }
    Ok(glue::own_response(reply.status, fields, &reply.body)?)
}

/// Slack shows an error after three seconds; the message is replaced within this.
const SLACK_ANSWER_MS: u32 = 1_500;
/// And for this long the other messages that tell of it are waited for.
const SLACK_DELIVER_MS: u64 = 750;

thread_local! {
    /// Answers of the last second, by path and window: a page full of viewers asks the Collectors once.
    static RECENT: RefCell<Map<String, (UnixMs, &'static str, String)>> = const { RefCell::new(Map::new()) };
}

impl Call<'_> {
    async fn run(self) -> Result<Reply, Problem> {
        let (endpoint, needed) = endpoint::resolve(self.facts.method, self.facts.path)?;
        if endpoint == Endpoint::SlackAction {
            return self.slack_action().await;
        }
        if let Endpoint::Link(token, step) = &endpoint {
            return Ok(self.link(token, *step).await);
        }
        let ask = |needed| super::access::authorize(&self.request, self.env, needed, self.now);
        let principal = match (ask(needed).await, endpoint.or_role()) {
            (Err(problem), Some(other)) if problem.status == 403 => ask(other).await?,
            (principal, _) => principal?,
        };
        match endpoint {
            Endpoint::Realtime => self.realtime().await,
            Endpoint::Exposition => self.exposition().await,
            Endpoint::Ingest => self.ingest().await,
            Endpoint::TestAlert => {
                let receipt = alerts::send_test(self.env, &self.config, &self.body().await?, self.now).await?;
                Ok(Reply::json(202, &receipt))
            }
            Endpoint::ListDeliveries => Ok(Reply::json(200, &web::deliveries::list(&self.db()?, self.query).await?)),
            Endpoint::RedriveChannel => {
                let (body, addresses) = (self.body().await?, alerts::addresses(self.env, &self.config));
                let done = web::deliveries::redrive_channel(&self.db()?, &body, &principal, &addresses, self.now).await?;
                alerts::deliver_now(self.env).await;
                Ok(Reply::json(200, &done))
            }
            Endpoint::Redrive(id) => {
                let addresses = alerts::addresses(self.env, &self.config);
                web::deliveries::redrive_one(&self.db()?, &id, &principal, &addresses, self.now).await?;
                alerts::deliver_now(self.env).await;
                Ok(Reply::json(200, &alerts::delivery(self.env, &id).await?))
            }
            Endpoint::Delivery(id) => Ok(Reply::json(200, &alerts::delivery(self.env, &id).await?)),
            Endpoint::Explain(rule) => self.explain(&rule).await,
            Endpoint::Health => Ok(self.health().await),
            Endpoint::ReadConfig => {
                let in_force = active::current(self.env).map_err(|_| Problem::unavailable("The configuration"))?;
                Ok(Reply::json(200, &web::config::read(&self.db()?, active::environment(self.env), &in_force).await?))
            }
            Endpoint::ApplyConfig => {
                let body = self.body().await?;
                let applied = web::config::apply(&self.db()?, &body, active::environment(self.env), &principal.id, self.now).await?;
                self.spread(applied.version).await;
                Ok(Reply::json(applied.status(), &applied))
            }
            Endpoint::ActivateConfig => {
                let body = self.body().await?;
                let applied = web::config::activate(&self.db()?, &body, active::environment(self.env), &principal.id, self.now).await?;
                self.spread(applied.version).await;
                Ok(Reply::json(applied.status(), &applied))
            }
            Endpoint::ListTokens => Ok(Reply::json(200, &web::tokens::list(&self.db()?, self.now).await?)),
            Endpoint::CreateToken => {
                let mut random = [0_u8; 32];
                getrandom::fill(&mut random).map_err(|_| Problem::unavailable("The source of randomness"))?;
                let body = self.body().await?;
                Ok(Reply::json(201, &web::tokens::create(&self.db()?, &body, &principal, random, self.now).await?))
            }
            Endpoint::RevokeToken(id) => Ok(Reply::json(200, &web::tokens::revoke(&self.db()?, &id, self.now).await?)),
            Endpoint::ListSilences => Ok(Reply::json(200, &web::silences::list(&self.db()?, self.now).await?)),
            Endpoint::CreateSilence => {
                let body = self.body().await?;
                Ok(Reply::json(201, &web::silences::create(&self.db()?, &body, &principal, self.now).await?))
            }
            Endpoint::EndSilence(id) => Ok(Reply::json(200, &web::silences::end(&self.db()?, &id, self.now).await?)),
            Endpoint::SlackAction => self.slack_action().await,
            Endpoint::Link(token, step) => Ok(self.link(&token, step).await),
            Endpoint::ListAlerts => Ok(Reply::json(200, &web::respond::list(&self.db()?, self.now).await?)),
            Endpoint::Alert(id) => Ok(Reply::json(200, &web::respond::show(&self.db()?, &id).await?)),
            Endpoint::Act(id, verb) => self.act(&id, verb, &principal).await,
            Endpoint::ListDeploys => Ok(Reply::json(200, &web::deploys::list(&self.db()?).await?)),
            Endpoint::RecordDeploy => {
                let (status, noted) = web::deploys::create(&self.db()?, &self.body().await?, &principal, self.now).await?;
                Ok(Reply::json(status, &noted))
            }
            Endpoint::Report => Ok(Reply::json(200, &web::reports::alerts(&self.db()?, self.query, &self.config, self.now).await?)),
            Endpoint::ListIncidents => Ok(Reply::json(200, &web::incidents::list(&self.db()?, self.query).await?)),
            Endpoint::OpenIncident => {
                let (status, incident) = web::incidents::open(&self.db()?, &self.body().await?, &principal, self.now).await?;
                Ok(Reply::json(status, &incident))
            }
            Endpoint::Incident(id) => Ok(Reply::json(200, &web::incidents::show(&self.db()?, &id).await?)),
            Endpoint::Postmortem(id) => {
                let body = web::incidents::draft(&self.db()?, &id, &self.config).await?;
                Ok(Reply { status: 200, content_type: "text/markdown; charset=utf-8", body })
            }
            Endpoint::EditIncident(id, verb) => {
                let (edit, addresses) = (web::incidents::asked(verb, &self.body().await?)?, alerts::addresses(self.env, &self.config));
                let told_by = (&*self.config, &addresses);
                let incident = web::incidents::edit(&self.db()?, &id, &edit, &principal, told_by, self.now).await?;
                if verb == web::incidents::Verb::StatusUpdate {
                    alerts::deliver_now(self.env).await;
                }
                Ok(Reply::json(200, &incident))
            }
            Endpoint::Alertmanager(asked) => self.alertmanager(asked, &principal).await,
        }
    }

    /// What is made of a rule now, or was at an earlier moment by the configuration of then.
    async fn explain(&self, rule: &str) -> Result<Reply, Problem> {
        use web::explain;
        let (db, asked) = (self.db()?, explain::asked(self.query, &self.config, self.now)?);
        let live = live_window(self.env, self.now).await;
        let said = match asked {
            None => {
                let addresses = alerts::addresses(self.env, &self.config);
                explain::explained(&db, rule, (&self.config, &addresses), &live, self.now).await?
            }
            Some(asked) => {
                let current = active::current(self.env).map_err(|_| Problem::unavailable("The configuration"))?;
                let in_force = explain::in_force_at(&db, &current, asked.at).await?;
                let addresses = alerts::addresses(self.env, &in_force.config);
                explain::explained_past(&db, rule, (&in_force, &addresses), &live, asked).await?
            }
        };
        Ok(Reply::json(200, &said))
    }

    /// Does what is asked; the messages that tell of it are sent at once if the Engine answers, and later if not.
    async fn act(&self, id: &str, verb: Verb, principal: &Principal) -> Result<Reply, Problem> {
        let (act, note) = web::respond::asked(verb, &self.body().await?, self.now)?;
        let shown = self.acted(id, (&act, note.as_deref()), principal).await?;
        alerts::deliver_now(self.env).await;
        Ok(Reply::json(200, &shown))
    }

    async fn acted(&self, id: &str, act: (&Act, Option<&str>), by: &Principal) -> Result<Shown, Problem> {
        let addresses = alerts::addresses(self.env, &self.config);
        web::respond::act(&self.db()?, id, act, by, (&self.config, &addresses), self.now).await
    }

    /// A click in Slack: done, shown where it was clicked, and answered in time whatever becomes of that.
    async fn slack_action(&self) -> Result<Reply, Problem> {
        use web::slack_actions as slack;
        let Some(secret) = bindings::text(self.env, SLACK_SIGNING_SECRET) else {
            let detail = "Clicks cannot be checked: set the secret SLACK_SIGNING_SECRET to the Slack app's signing secret.";
            return Err(Problem::new(503, "not_set_up", "Slack's buttons are not set up", detail));
        };
        let body = self.body().await?;
        let header = |name: &str| self.request.headers().get(name).ok().flatten();
        let (timestamp, signature) = (header("x-slack-request-timestamp"), header("x-slack-signature"));
        slack::verify(&secret, timestamp.as_deref(), signature.as_deref(), &body, self.now)?;
        if let Some(click) = slack::click(&body) {
            let done = self.acted(&click.alert, (&click.act(self.now), None), &click.by).await;
            if let Some(request) = click.answer(&done)
                && let Err(error) = Outbound.send(request, SLACK_ANSWER_MS).await
            {
                worker::console_error!("a Slack message could not be replaced: {error}");
            }
            // What is not sent by then is sent by the next tick: Slack must not wait for every other peer.
            let bound = Delay::from(Duration::from_millis(SLACK_DELIVER_MS));
            select(std::pin::pin!(alerts::deliver_now(self.env)), std::pin::pin!(bound)).await;
        }
        Ok(Reply { status: 200, content_type: "text/plain; charset=utf-8", body: String::new() })
    }

    /// The page of a link in an e-mail, or what its button does; whatever fails is a page, too.
    async fn link(&self, token: &str, step: LinkStep) -> Reply {
        let signer = bindings::text(self.env, LINK_SIGNING_SECRET).and_then(|secret| Signer::new(&secret));
        let page = match (self.db(), step) {
            (Ok(db), LinkStep::Look) => link::show(&db, token, signer.as_ref(), &self.config, self.now).await,
            (Ok(db), LinkStep::Act) => {
                let addresses = alerts::addresses(self.env, &self.config);
                let page = link::act(&db, token, signer.as_ref(), (&self.config, &addresses), self.now).await;
                if page.status == 200 {
                    alerts::deliver_now(self.env).await;
                }
                page
            }
            (Err(_), _) => link::unavailable(&self.config),
        };
        Reply { status: page.status, content_type: link::CONTENT_TYPE, body: page.html }
    }

    async fn alertmanager(&self, asked: Alertmanager, principal: &Principal) -> Result<Reply, Problem> {
        use web::alertmanager as api;
        let (db, now) = (self.db()?, self.now);
        Ok(match asked {
            Alertmanager::Alerts => {
                let addresses = alerts::addresses(self.env, &self.config);
                Reply::json(200, &api::list_alerts(&db, self.query, (&self.config, &addresses), now).await?)
            }
            Alertmanager::PushAlerts => Reply::json(200, &api::push::push(&db, &self.body().await?, now).await?),
            Alertmanager::Silences => Reply::json(200, &api::list_silences(&db, self.query, now).await?),
            Alertmanager::CreateSilence => Reply::json(200, &api::create_silence(&db, &self.body().await?, principal, now).await?),
            Alertmanager::Silence(id) => Reply::json(200, &api::silence(&db, &id, now).await?),
            Alertmanager::EndSilence(id) => Reply::json(200, &api::end_silence(&db, &id, now).await?),
            Alertmanager::Status => Reply::json(200, &api::status(&self.config, now)),
        })
    }

    fn db(&self) -> Result<D1, Problem> {
        D1::bound(self.env).map_err(|_| Problem::unavailable("The database"))
    }

    /// Tells the Collectors which version is active, so that isolates follow with their next flush; a Collector that does
    /// not hear it reads it from D1 within a minute.
    async fn spread(&self, version: i64) {
        let _ = collectors::ask(self.env, "/config", &version.to_string()).await;
        self.here.follow(self.env, version).await;
    }

    async fn realtime(&self) -> Result<Reply, Problem> {
        let window_s = realtime::window_s(self.query)?;
        let key = format!("realtime {window_s}");
        if let Some(reply) = self.recent(&key) {
            return Ok(reply);
        }
        let ask = Ask { now: self.now, window_ms: i64::from(window_s) * SECOND_MS, detail: Detail::Merged };
        let (live, missing_shards) = collectors::ask_live(self.env, "/window", Some(ask)).await;
        if live.is_empty() {
            return Err(Problem::unavailable("The Collector"));
        }
        let around =
            Surroundings { missing_shards: u32::try_from(missing_shards.len()).unwrap_or(u32::MAX), ..surroundings(self.env).await };
        let document = realtime::render(self.now, window_s, &merge_answers(live), &self.config.business.shown, &around);
        Ok(Self::remember(key, Reply::json(200, &document)))
    }

    async fn exposition(&self) -> Result<Reply, Problem> {
        if let Some(reply) = self.recent("exposition") {
            return Ok(reply);
        }
        let (totals, _) = collectors::ask_live(self.env, "/totals", None).await;
        if totals.is_empty() {
            return Err(Problem::unavailable("The Collector"));
        }
        let body = exposition::render(&merge_answers(totals).cells);
        Ok(Self::remember("exposition".to_owned(), Reply { status: 200, content_type: exposition::CONTENT_TYPE, body }))
    }

    /// Looks at every part; one that does not answer is a reason of its own, never an error.
    async fn health(&self) -> Reply {
        let alerting = alerts::health(self.env, &self.config, self.now).await.ok();
        let ticks = alerts::counts(self.env).await.ok().map(|(_, last)| Ticks {
            last_at: last.as_ref().map(|last| last.at),
            overdue: last.map(|last| last.overdue).unwrap_or_default(),
        });
        let ask = Ask { now: self.now, window_ms: LIVE_MS, detail: Detail::Merged };
        let (live, missing_shards) = collectors::ask_live(self.env, "/window", Some(ask)).await;
        let live = missing_shards.is_empty().then(|| merge_answers(live));
        let tokens = match self.db() {
            Ok(db) => web::tokens::list(&db, self.now).await.ok(),
            Err(_) => None,
        };
        let seen = Seen {
            engine: ticks,
            collector: live.map(|live| Intake { lag_ms: live.lag_ms, dropped: realtime::dropped(&live) }),
            outbox: alerting.as_ref().map(|health| Messages {
                due: health.outbox.open,
                overdue: health.outbox.overdue,
                dead: health.outbox.dead,
            }),
            tokens: tokens.and_then(|listed| u64::try_from(listed.tokens.len()).ok()),
        };
        let is_set = |secret: &str| {
            let text = bindings::text(self.env, secret);
            if secret == LINK_SIGNING_SECRET { text.is_some_and(|text| Signer::new(&text).is_some()) } else { text.is_some() }
        };
        let health = health::health(&self.config, &seen, is_set, self.now);
        Reply::json(health.status.http_status(), &serde_json::json!({ "parapet": health, "alerting": alerting }))
    }

    /// 202 only after every shard concerned has its part on disk.
    async fn ingest(self) -> Result<Reply, Problem> {
        let body = self.body().await?;
        let (entries, rejected) = ingest::read(&body, &self.config.infrastructure.ingest, self.now)?;
        let receipt = ingest::Receipt { accepted: entries.len(), rejected };
        let shards = isolate::collector_shards(self.env);
        let mut by_shard: Map<u32, Vec<Entry>> = Map::new();
        for entry in entries {
            let key = entry.id.clone().unwrap_or_else(|| entry.key.name().to_owned());
            by_shard.entry(isolate::shard_of(key.as_bytes(), shards)).or_default().push(entry);
        }
        for (shard, entries) in by_shard {
            let write = Write { shard, bounds: isolate::bounds(&self.config), batch: Batch { writer: None, entries } };
            let written: worker::Result<Written> =
                async { bindings::read(&isolate::ask_collector(self.env, shard, "/write", &bindings::text_of(&write)?).await?) }.await;
            let written = written.map_err(|error| {
                worker::console_error!("ingest: a Collector did not take a batch: {error}");
                Problem::unavailable("The Collector")
            })?;
            self.here.follow(self.env, written.config_version).await;
        }
        Ok(Reply::json(202, &receipt))
    }

    async fn body(&self) -> Result<Vec<u8>, Problem> {
        let unreadable = || Problem::bad_request("unreadable_body", "The body could not be read to its end.");
        let promise = self.request.array_buffer().map_err(|_| unreadable())?;
        let buffer = JsFuture::from(promise).await.map_err(|_| unreadable())?;
        let bytes = js_sys::Uint8Array::new(buffer.unchecked_ref::<js_sys::ArrayBuffer>()).to_vec();
        if bytes.len() > MAX_BODY_BYTES {
            return Err(Problem::new(
                413,
                "body_too_large",
                "The request is too large",
                format!("At most {MAX_BODY_BYTES} bytes are taken."),
            ));
        }
        Ok(bytes)
    }

    fn recent(&self, key: &str) -> Option<Reply> {
        RECENT.with_borrow(|recent| {
            let (at, content_type, body) = recent.get(key)?;
            (self.now.since(*at).abs() < SECOND_MS).then(|| Reply { status: 200, content_type, body: body.clone() })
        })
    }

    fn remember(key: String, reply: Reply) -> Reply {
        RECENT.with_borrow_mut(|recent| recent.insert(key, (clock::now(), reply.content_type, reply.body.clone())));
        reply
    }
}

/// What D1 knows of alerts and ticks; nothing when it does not answer, since realtime must.
async fn surroundings(env: &Env) -> Surroundings {
    match alerts::counts(env).await {
        Ok((counts, last)) => Surroundings { alerts: Some(counts), last_tick_at: last.map(|last| last.at), missing_shards: 0 },
        Err(error) => {
            worker::console_error!("realtime: alerts are not known: {error}");
            Surroundings::default()
        }
    }
}
