//! What Parapet does for itself at the end of a tick, a bounded piece at a time: roll-ups and retention.
//!
//! Invariant: a piece that fails changes nothing and comes round again with the next tick; nothing here delays an alert,
//! since it runs after deliveries. Hours are rolled up [`SETTLE_MS`] after they end and again whenever a late minute
//! changes them.

use crate::config::infrastructure::Retention;
use crate::ports::{Db, DbError};
use crate::storage::rollup::{self, Dirty, Level};
use crate::storage::{deploys, episodes, groups, incidents, links, outbox, pushed, silences};
use crate::time::{DAY_MS, MINUTE_MS, UnixMs};

/// How long after its end an hour or a day is left to settle.
pub const SETTLE_MS: i64 = 5 * MINUTE_MS;
/// Chunks of one roll-up: 20,000 series, ten times what one Collector holds.
const MAX_CHUNKS: u32 = 500;
/// Incidents dropped in one round, each with some hundreds of rows: as much as a chunk of the others.
const INCIDENTS_PER_DELETE: u32 = 10;

/// How long after its end an alert that was pushed is kept: as long as the list of alerts shows it.
const PUSHED_KEPT_MS: i64 = DAY_MS;
/// When there are many: long after the tick that told of its end.
const PUSHED_SEEN_MS: i64 = 10 * MINUTE_MS;

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Upkeep {
    /// Hours and days rolled up.
    pub rolled_up: u32,
    /// Coarse rows written.
    pub rows_written: u64,
    /// Rows past their retention that were dropped.
    pub rows_dropped: u64,
}

/// One round: at most one hour and one day rolled up, at most one chunk of each resolution of the closed
/// messages, of the ended silences and of the deploys (kept as long as hours), of the groups idle for a day, of the episodes and of the resolved
/// incidents (kept as long as days) dropped, what others pushed and is over, and what is noted of links that have expired.
pub async fn run(now: UnixMs, retention: &Retention, db: &impl Db) -> Result<Upkeep, DbError> {
    let mut done = Upkeep::default();
    for level in Level::ALL {
        let oldest = db.batch(vec![rollup::oldest_dirty(level, now.plus(-SETTLE_MS))]).await?;
        if let Some(dirty) =
            oldest.into_iter().next().map(|result| result.decode::<Dirty>("dirty")).transpose()?.and_then(|rows| rows.into_iter().next())
        {
            done.rows_written += roll_up(level, dirty, db).await?;
            done.rolled_up += 1;
        }
    }
    let before = |days: u32| now.plus(-i64::from(days) * DAY_MS);
    let mut old = rollup::expire(before(retention.minute_days), before(retention.hour_days), before(retention.day_days));
    old.extend(outbox::expire(before(retention.hour_days), rollup::ROWS_PER_DELETE));
    old.extend(silences::expire(before(retention.hour_days), rollup::ROWS_PER_DELETE));
    old.extend(incidents::expire(before(retention.day_days), INCIDENTS_PER_DELETE));
    old.push(episodes::expire(before(retention.day_days), rollup::ROWS_PER_DELETE));
    old.push(groups::expire(now.plus(-DAY_MS), rollup::ROWS_PER_DELETE));
    old.extend(pushed::expire(now.plus(-PUSHED_KEPT_MS), now.plus(-PUSHED_SEEN_MS)));
    old.push(deploys::expire(before(retention.hour_days), rollup::ROWS_PER_DELETE));
    old.push(links::expire(now, rollup::ROWS_PER_DELETE));
    let dropped = db.batch(old).await?;
    done.rows_dropped = dropped.iter().map(|result| result.changes).sum();
    Ok(done)
}

async fn roll_up(level: Level, dirty: Dirty, db: &impl Db) -> Result<u64, DbError> {
    let (mut after, mut rows_written) = (-1, 0);
    for _ in 0..MAX_CHUNKS {
        let read = db.batch(vec![rollup::read_finer(level, dirty.t, after)]).await?;
        let Some((cells, last)) = read.into_iter().next().map(rollup::merged).transpose()?.flatten() else { break };
        rows_written += u64::try_from(cells.len()).unwrap_or_default();
        after = last;
        db.batch(vec![rollup::write_coarse(level, dirty.t, &cells)]).await?;
    }
    let mut closing = vec![rollup::clean(level, dirty)];
    if level == Level::Hour {
        closing.push(rollup::mark(Level::Day, dirty.t));
    }
    db.batch(closing).await?;
    Ok(rows_written)
}
