//! One tick: the life of an alert, as a literal list of steps.
//!
//! Everything is decided from what was read at the start and `now`; one batch at the end applies it. Invariants: a tick that
//! fails changes nothing; a tick at a moment that is not newer than the last one's does nothing; two ticks at once have the
//! effect of one, because each change is a compare-and-swap and each message depends on its change.

use serde::Serialize;

use super::audit::is_overdue;
use super::due::due;
use super::evaluate::{Moment, Verdict, evaluate, zone};
use super::group::{GroupChange, GroupState, Member, gather};
use super::incident::{AlertState, Phase, Signal, Step, Subject, Transition, rule_error_signal, signal, step};
use super::observe::{Blindness, Labels, LiveWindow, Resolution, Stored, StoredRead, View, looks, observe, stored_reads};
use super::origin_of_change::explained;
use super::pushed;
use super::route::Routing;
use super::storm;
use super::suppress::{Suppression, Suppressors};
use super::surroundings;
use super::tell::tell;
use super::usual;
use super::watch;
use crate::channel::Addresses;
use crate::config::Config;
use crate::config::alerting::Rule;
use crate::order;
use crate::outbox::enqueue::{Change, enqueue, enqueue_groups, swap_statements};
use crate::ports::{Db, DbError};
use crate::sorted::{Map, Set};
use crate::storage::alerts::{self, LastTick};
use crate::storage::outbox::{self, Audit, ChannelHealth};
use crate::storage::pushed::{self as stored_pushes, Pushed};
use crate::storage::silences::{self, Silence};
use crate::storage::{Statement, StatementResult, groups, incidents, series};
use crate::time::UnixMs;

/// What one tick found and did: the one wide event that is logged, stored and shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TickReport {
    /// The tick's moment.
    pub now: UnixMs,
    /// The first tick ever; long ago, if that is not known.
    pub since: UnixMs,
    /// How it ended.
    pub outcome: TickOutcome,
    /// Conditions by verdict.
    pub verdicts: Map<String, usize>,
    /// Alerts that are not quiet, and what happened to them.
    pub happenings: Vec<Happening>,
    /// Messages decided on.
    pub messages: usize,
    /// Alerts people would have been told of, were they not kept quiet: those this tick withheld first.
    pub withheld: usize,
    /// Alerts of which something is owed to people for more than five minutes, at most twenty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overdue: Vec<String>,
    /// Alerts another writer changed meanwhile; the next tick looks at them again.
    pub lost_swaps: usize,
    /// The outbox before this tick.
    pub audit: Audit,
}

/// What a tick is shown of the world beside the database.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The Collectors' open windows.
    pub live: &'a LiveWindow,
    /// Why the configuration at hand is not the one in force.
    pub config_problem: Option<&'a str>,
}

/// How a tick ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TickOutcome {
    /// It was applied.
    Applied,
    /// The last tick was at this moment or later.
    AlreadyDone {
        /// When.
        last: UnixMs,
    },
    /// The database did not do its part; the next tick starts from what is stored.
    Failed {
        /// What it said.
        why: String,
    },
}

/// Alerts named as overdue: enough to see what is wrong.
const MAX_OVERDUE: usize = 20;

/// What happened to one alert.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Happening {
    /// The alert.
    pub alert: String,
    /// Its rule.
    pub rule: String,
    /// What happened.
    pub transition: Transition,
    /// Who is told, if anybody is.
    pub routing: Option<Routing>,
    /// Why nobody is told that it fires, while that is owed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<Suppression>,
}

impl TickOutcome {
    /// The counted text.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::AlreadyDone { .. } => "already_done",
            Self::Failed { .. } => "failed",
        }
    }
}

impl TickReport {
    /// A tick that could not begin.
    pub fn failed(now: UnixMs, why: impl Into<String>) -> Self {
        Self::new(now, TickOutcome::Failed { why: why.into() })
    }

    fn new(now: UnixMs, outcome: TickOutcome) -> Self {
        Self {
            now,
            since: UnixMs(0),
            outcome,
            verdicts: Map::new(),
            happenings: Vec::new(),
            messages: 0,
            withheld: 0,
            overdue: Vec::new(),
            lost_swaps: 0,
            audit: Audit::default(),
        }
    }

    /// Whether the outside may be told that all is well with us: the tick was applied, it saw everything, and nobody's
    /// message lies around.
    pub fn is_clean(&self) -> bool {
        let applied = match self.outcome {
            TickOutcome::Applied | TickOutcome::AlreadyDone { .. } => true,
            TickOutcome::Failed { .. } => false,
        };
        applied && !self.verdicts.contains_key("blind") && self.audit.overdue == 0 && self.overdue.is_empty()
    }
}

/// What is remembered from before this tick.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) states: Vec<AlertState>,
    pub(super) last: Option<LastTick>,
    /// The first tick ever; long ago, if that is not known.
    pub(super) since: UnixMs,
    channels: Vec<ChannelHealth>,
    audit: Audit,
    pub(super) silences: Vec<Silence>,
    pub(super) groups: Vec<GroupState>,
    pushed: Vec<Pushed>,
}

/// Evaluates every rule that is due at `now` and writes down what follows.
pub async fn tick(now: UnixMs, config: &Config, addresses: &Addresses, db: &impl Db, seen: &Seen<'_>) -> TickReport {
    run(now, config, addresses, db, seen).await.unwrap_or_else(|error| TickReport::failed(now, error.to_string()))
}

async fn run(now: UnixMs, config: &Config, addresses: &Addresses, db: &impl Db, seen: &Seen<'_>) -> Result<TickReport, DbError> {
    // Collect what is remembered, once, so that every step decides from the same facts.
    let memory = remembered(now, db).await?;

    // A moment that is not newer was done: cron comes late, twice, or after the alarm took over.
    if let Some(last) = memory.last.as_ref().filter(|last| last.at >= now) {
        return Ok(TickReport::new(now, TickOutcome::AlreadyDone { last: last.at }));
    }

    // Read the older minutes, each range apart, so that one that cannot be read blinds only the rules that need it.
    let due = due(&config.alerting.rules, memory.last.as_ref(), now);
    let stored = stored_minutes(now, &due, zone(config), db).await;

    // Decide, from what was read alone.
    let Decision { mut changes, mut groups, mut report, .. } = decide(now, &due, (config, addresses), &memory, &stored, seen);

    // Say of what begins what is usual; it decides nothing.
    usual::look_up(&mut changes, &mut groups, config, now, db).await;

    // Show what is around what people are told of; it decides nothing, either.
    surroundings::look_around(&mut changes, &mut groups, (config, seen.live), now, db).await;

    // Write in one transaction: the states, their messages, their incidents, and that this moment is done.
    let mut statements = enqueue(&changes, now);
    statements.extend(enqueue_groups(&groups, now));
    statements.extend(incidents::settle(now));
    statements.push(alerts::remember_tick(now, &serde_json::to_string(&report).unwrap_or_default()));
    write(&changes, statements, db, &mut report).await?;
    Ok(report)
}

/// What a tick decided, before anything of it is written.
#[derive(Debug)]
pub(super) struct Decision<'a> {
    /// What each rule's condition says of each of its alerts.
    #[cfg_attr(target_family = "wasm", expect(dead_code, reason = "a rehearsal reports it; a live tick counts it in its report"))]
    pub(super) judged: Vec<Judged<'a>>,
    /// The states to store, and their messages.
    pub(super) changes: Vec<Change>,
    /// What the groups owe.
    pub(super) groups: Vec<GroupChange>,
    /// What happened.
    pub(super) report: TickReport,
}

/// Everything between reading and writing; pure, so that a rehearsal decides as a live tick does.
pub(super) fn decide<'a>(
    now: UnixMs,
    due: &[&'a Rule],
    (config, addresses): (&'a Config, &Addresses),
    memory: &Memory,
    stored: &Stored,
    seen: &Seen<'_>,
) -> Decision<'a> {
    // Evaluate rule by rule, so that one that cannot be evaluated stops no other.
    let judged = judged(now, due, config, (seen.live, stored), memory);

    // Turn verdicts, and what we see of ourselves, into signals: policy is applied before the state machine, not in it.
    let signals = signals(now, due, config, memory, &judged, seen);

    // Step every alert; what to store follows from the step alone.
    let steps = steps(now, &memory.states, signals);

    // What others pushed began when they say.
    let steps = pushed::dated(steps, &memory.pushed, now);

    // Say of what begins where it comes from, while the minutes before it are still at hand.
    let steps = explained(steps, &config.alerting.rules, (seen.live, stored), now);

    // Keep quiet what is silenced, expected or explained by another alert: the state changes, people are told when it is over.
    let steps = suppressed(now, steps, memory, config);

    // Route: who is told what.
    let mut report = TickReport { audit: memory.audit, since: memory.since, ..TickReport::new(now, TickOutcome::Applied) };
    for judged in &judged {
        *report.verdicts.entry(judged.verdict.as_str().to_owned()).or_default() += 1;
    }
    let (changes, groups) = decided(now, steps, memory, (config, addresses), &mut report);
    Decision { judged, changes, groups, report }
}

/// Looks at the channels alone, right after a message was given up: people hear of it now, not at the next tick.
pub async fn watch_channels(now: UnixMs, config: &Config, addresses: &Addresses, db: &impl Db) -> Result<TickReport, DbError> {
    let memory = remembered(now, db).await?;
    let signals = watch::channels(&config.alerting, &memory.channels, &memory.states, now);
    let steps = suppressed(now, steps(now, &memory.states, signals), &memory, config);
    let mut report = TickReport { audit: memory.audit, since: memory.since, ..TickReport::new(now, TickOutcome::Applied) };
    let (changes, groups) = decided(now, steps, &memory, (config, addresses), &mut report);
    let mut statements = enqueue(&changes, now);
    statements.extend(enqueue_groups(&groups, now));
    write(&changes, statements, db, &mut report).await?;
    Ok(report)
}

/// Reads what is remembered.
pub(super) async fn remembered(now: UnixMs, db: &impl Db) -> Result<Memory, DbError> {
    let read = vec![
        alerts::all(),
        alerts::last_tick(),
        outbox::channels(),
        outbox::audit(now),
        silences::in_force(now),
        groups::all(),
        stored_pushes::firing(now),
    ];
    let mut results = db.batch(read).await?.into_iter();
    let mut next = || results.next().unwrap_or_default();
    let states = alerts::states(next())?;
    let last = alerts::newest_tick(next())?;
    Ok(Memory {
        states,
        since: last.as_ref().map_or(now, |last| last.since),
        last,
        channels: next().decode("channels")?,
        audit: next().decode("outbox")?.into_iter().next().unwrap_or_default(),
        silences: silences::silences(next())?,
        groups: groups::states(next())?,
        pushed: stored_pushes::alerts(next())?,
    })
}

/// The stored rows that `rules` need at `now`.
pub(super) async fn stored_minutes(now: UnixMs, rules: &[&Rule], zone: chrono_tz::Tz, db: &impl Db) -> Stored {
    read_stored(stored_reads(rules.iter().flat_map(|rule| looks(&rule.when)), now, zone), db).await
}

/// The stored rows of each read, or why there are none.
pub(super) async fn read_stored(reads: Vec<StoredRead>, db: &impl Db) -> Stored {
    let mut stored = Stored::new();
    for read in reads {
        let names: Vec<&str> = read.names.iter().map(String::as_str).collect();
        let (resolution, window) = read.stretch;
        let statement = match resolution {
            Resolution::Minute => series::read_minutes(&names, window),
            Resolution::Hour => series::read_hours(&names, window),
            Resolution::HourByHour => series::read_hours_apart(&names, window),
        };
        let result = db.batch(vec![statement]).await;
        let slices = result.and_then(|results| series::slices(results.into_iter().next().unwrap_or_default()));
        stored.insert(read.stretch, slices.map_err(|error| Blindness::Stored { message: error.to_string() }));
    }
    stored
}

/// What a rule's condition says of one of its alerts.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// Which of its alerts.
    pub instance: Labels,
    /// What the condition says.
    pub verdict: Verdict,
}

fn judged<'a>(now: UnixMs, due: &[&'a Rule], config: &Config, (live, stored): (&LiveWindow, &Stored), memory: &Memory) -> Vec<Judged<'a>> {
    let own = memory.last.as_ref().map(|last| watch::tick_age(last.at, now));
    let view = View::new(live.slices.iter().chain(&own), &live.coverage, stored);
    let zone = zone(config);
    let mut judged = Vec::new();
    for rule in due.iter().copied() {
        let mut known: Vec<Labels> = memory.states.iter().filter_map(|state| state.subject.instance_of(rule)).collect();
        match observe(rule, &known, now, zone, &view) {
            Ok(instances) => judged.extend(instances.into_iter().map(|instance| {
                let verdict = evaluate(rule, &instance.observations, Moment { now, since: memory.since }, config);
                Judged { rule, instance: instance.labels, verdict }
            })),
            Err(blindness) => {
                // Blindness is said of the rule as a whole, too: it may have no alert yet.
                if !known.contains(&Labels::new()) {
                    known.push(Labels::new());
                }
                let blind = |instance| Judged { rule, instance, verdict: Verdict::Blind(blindness.clone()) };
                judged.extend(known.into_iter().map(blind));
            }
        }
    }
    judged
}

/// Every alert there is or was, with what is known of it now. One whose rule is gone is over.
fn signals(now: UnixMs, due: &[&Rule], config: &Config, memory: &Memory, judged: &[Judged<'_>], seen: &Seen<'_>) -> Vec<(Subject, Signal)> {
    let mut signals: Vec<(Subject, Signal)> = Vec::new();
    for Judged { rule, instance, verdict } in judged {
        signals.push((Subject::of_rule(rule, instance), signal(rule, verdict)));
    }
    for rule in due.iter().copied() {
        let of_rule = judged.iter().filter(|judged| std::ptr::eq(judged.rule, rule)).map(|judged| &judged.verdict);
        signals.push((watch::rule_error(rule), rule_error_signal(rule, of_rule)));
    }
    signals.push(watch::blindness(judged));
    signals.push(watch::configuration(seen.config_problem));
    signals.push(watch::silences_ending(&memory.silences, &memory.states, now));
    signals.extend(watch::channels(&config.alerting, &memory.channels, &memory.states, now));
    signals.extend(pushed::signals(&memory.pushed, &memory.states, memory.last.as_ref().map(|last| last.at), now));
    // A rule between its evaluations says nothing, and nothing of it is over.
    let waits = |state: &&AlertState| {
        let rule = &state.subject.rule;
        config.alerting.rules.iter().any(|known| known.id == *rule) && !due.iter().any(|known| known.id == *rule)
    };
    signals.extend(memory.states.iter().filter(waits).map(|state| (state.subject.clone(), Signal::Hold)));
    let known: Set<String> = order::set(signals.iter().map(|(subject, _)| subject.id.clone()));
    let orphans = memory.states.iter().filter(|state| !known.contains(&state.subject.id));
    signals.extend(orphans.map(|state| (state.subject.clone(), Signal::Gone)));
    signals
}

fn steps(now: UnixMs, states: &[AlertState], signals: Vec<(Subject, Signal)>) -> Vec<(Subject, Step)> {
    let stored: Map<&str, &AlertState> = order::map(states.iter().map(|state| (state.subject.id.as_str(), state)));
    signals
        .into_iter()
        .map(|(subject, signal)| {
            let step = step(stored.get(subject.id.as_str()).copied(), &subject, signal, now);
            (subject, step)
        })
        .collect()
}

/// An alert's step, and what keeps it quiet.
struct Quieted {
    subject: Subject,
    step: Step,
    suppression: Option<Suppression>,
}

/// Every step with what keeps its alert quiet; an alert explains others by how it stands after its own step.
fn suppressed(now: UnixMs, steps: Vec<(Subject, Step)>, memory: &Memory, config: &Config) -> Vec<Quieted> {
    let mut states: Map<&str, &AlertState> = order::map(memory.states.iter().map(|state| (state.subject.id.as_str(), state)));
    states.extend(steps.iter().filter_map(|(subject, step)| Some((subject.id.as_str(), step.next.as_ref()?))));
    let firing: Vec<&Subject> = states.values().filter(|state| state.phase == Phase::Firing).map(|state| &state.subject).collect();
    let suppressors = Suppressors::at(now, &memory.silences, &config.alerting, &firing);
    let suppressions: Vec<Option<Suppression>> = steps.iter().map(|(subject, _)| suppressors.suppress(subject, now)).collect();
    steps.into_iter().zip(suppressions).map(|((subject, step), suppression)| Quieted { subject, step, suppression }).collect()
}

/// Routes every step and notes what happened; then the groups say what they owe.
fn decided(
    now: UnixMs,
    steps: Vec<Quieted>,
    memory: &Memory,
    told_by: (&Config, &Addresses),
    report: &mut TickReport,
) -> (Vec<Change>, Vec<GroupChange>) {
    let stored: Map<&str, &AlertState> = order::map(memory.states.iter().map(|state| (state.subject.id.as_str(), state)));
    let (mut changes, mut quiet) = (Vec::new(), Set::new());
    for Quieted { subject, step, suppression } in steps {
        let stored = stored.get(subject.id.as_str()).copied();
        let transition = step.transition.clone();
        let is_quiet = suppression.is_some();
        if is_quiet {
            quiet.insert(subject.id.clone());
        }
        let told = tell(step, stored, suppression, told_by, now);
        let routing = told.as_ref().and_then(|(_, routing)| routing.clone());
        let state = told.as_ref().map(|(change, _)| &change.next).or(stored);
        let is_told = told.as_ref().is_some_and(|(change, _)| !change.messages.is_empty());
        let owes = !is_quiet && !is_told && state.is_some_and(|state| is_overdue(state, &told_by.0.alerting, now));
        if owes && report.overdue.len() < MAX_OVERDUE {
            report.overdue.push(subject.id.clone());
        }
        if transition != Transition::Quiet {
            let withheld = state.and_then(|state| state.withheld.clone());
            report.happenings.push(Happening { alert: subject.id, rule: subject.rule, transition, routing, withheld });
        }
        changes.extend(told.map(|(change, _)| change));
    }
    storm::calm(&mut changes, &stored, told_by.0);
    let groups = {
        let flapped: Set<&str> =
            order::set(stored.values().filter(|state| state.flapping.is_some()).map(|state| state.subject.id.as_str()));
        let new: Set<&str> = order::set(changes.iter().map(|change| change.next.subject.id.as_str()));
        let mut states = stored;
        states.extend(changes.iter().map(|change: &Change| (change.next.subject.id.as_str(), &change.next)));
        let members = order::map(states.into_iter().map(|(id, state)| {
            let has_settled = state.phase == Phase::Firing && state.flapping.is_none() && flapped.contains(id);
            (id, Member { state, is_quiet: quiet.contains(id), has_settled, is_new: new.contains(id) })
        }));
        let opened = changes.iter().flat_map(|change| change.openings.iter().cloned());
        gather(now, &memory.groups, opened, &members, told_by)
    };
    report.messages = changes.iter().map(|change| change.messages.len()).sum::<usize>();
    report.messages += groups.iter().filter(|change| change.message.is_some()).count();
    report.withheld = changes.iter().filter(|change| change.withheld.is_some()).count();
    (changes, groups)
}

async fn write(changes: &[Change], statements: Vec<Statement>, db: &impl Db, report: &mut TickReport) -> Result<(), DbError> {
    if statements.is_empty() {
        return Ok(());
    }
    let results: Vec<StatementResult> = db.batch(statements).await?;
    let swapped: usize = results.iter().take(swap_statements(changes)).map(|result| result.rows.len()).sum();
    report.lost_swaps = changes.len().saturating_sub(swapped);
    Ok(())
}
