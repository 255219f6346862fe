//! What the console asks of alerting: test alerts, deliveries, counts and health, from D1 and the Engine.

use worker::Env;

use super::bindings::{self, Class};
use super::d1::D1;
use super::engine;
use crate::channel::Addresses;
use crate::config::Config;
use crate::ports::{Db, DbError};
use crate::storage::alerts::LastTick;
use crate::storage::{alerts, outbox};
use crate::time::UnixMs;
use crate::web::alerts::{AlertHealth, DeliveryView, TestReceipt, delivery_view, no_such_delivery, test_alert};
use crate::web::problem::Problem;

/// Writes a test alert to the outbox, has it sent, and shows what became of it.
pub(super) async fn send_test(env: &Env, config: &Config, body: &[u8], now: UnixMs) -> Result<TestReceipt, Problem> {
    let messages = test_alert(body, config)?.messages(now, config, &addresses(env, config))?;
    let db = D1::bound(env).map_err(Problem::no_database)?;
    db.batch(outbox::insert_free(&messages, now)).await.map_err(Problem::no_database)?;
    deliver_now(env).await;
    let mut deliveries = Vec::new();
    for message in &messages {
        deliveries.extend(read_delivery(&db, &message.notification.id).await?);
    }
    Ok(TestReceipt { deliveries })
}

/// Has the Engine send what is due. Messages are durable: an Engine that does not answer now sends them later.
pub(super) async fn deliver_now(env: &Env) {
    if let Err(error) = bindings::call(env, Class::Engine, engine::NAME, "/deliver", "null").await {
        worker::console_error!("the Engine did not answer: {error}");
    }
}

/// One delivery and its attempts.
pub(super) async fn delivery(env: &Env, id: &str) -> Result<DeliveryView, Problem> {
    let db = D1::bound(env).map_err(Problem::no_database)?;
    read_delivery(&db, id).await?.ok_or_else(|| no_such_delivery(id))
}

/// Firing and pending alerts, and the newest tick.
pub(super) async fn counts(env: &Env) -> Result<((u64, u64), Option<LastTick>), DbError> {
    let mut results = D1::bound(env)?.batch(vec![alerts::counts(), alerts::last_tick()]).await?.into_iter();
    let counts = alerts::firing_and_pending(results.next().unwrap_or_default())?;
    let last = alerts::newest_tick(results.next().unwrap_or_default())?;
    Ok((counts, last))
}

/// How alerting fares: the tick, each channel, the outbox, and what is not set.
pub(super) async fn health(env: &Env, config: &Config, now: UnixMs) -> Result<AlertHealth, Problem> {
    let db = D1::bound(env).map_err(Problem::no_database)?;
    let results = db.batch(vec![alerts::last_tick(), outbox::channels(), outbox::audit(now)]).await;
    AlertHealth::read(results.map_err(Problem::no_database)?, config, &addresses(env, config), now).map_err(Problem::no_database)
}

async fn read_delivery(db: &D1, id: &str) -> Result<Option<DeliveryView>, Problem> {
    let found = db.batch(outbox::delivery(id).into()).await.and_then(outbox::found_delivery);
    Ok(found.map_err(Problem::no_database)?.map(|(message, attempts)| delivery_view(message, attempts)))
}

/// Where each channel leads.
pub(super) fn addresses(env: &Env, config: &Config) -> Addresses {
    Addresses::resolve(&config.alerting, |name| bindings::text(env, name))
}
