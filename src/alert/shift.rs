//! What each person on call had to bear: alerts they were on call for, by rotation.
//!
//! Who was on call is what the rotations say now of the moments alerts were told.

use serde::Serialize;

use super::escalate::on_call;
use crate::config::alerting::{Rotation, Severity};
use crate::record::record;
use crate::storage::episodes::Told;

/// What one person on call was told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shift {
    /// The rotation.
    pub rotation: String,
    /// Who was on call.
    pub on_call: String,
    /// Alerts they were on call for.
    pub alerts: u64,
    /// The critical ones among them.
    pub critical: u64,
}

record!(Shift { rotation, on_call, alerts, critical, .. });

/// Whoever was on call and was told of something.
pub fn shifts(told: &[Told], rotations: &[Rotation]) -> Vec<Shift> {
    let mut shifts: Vec<Shift> = Vec::new();
    for rotation in rotations {
        for alert in told {
            let Some(who) = on_call(rotation, alert.told_at) else { continue };
            let critical = u64::from(alert.severity == Severity::Critical);
            match shifts.iter_mut().find(|shift| shift.rotation == rotation.id && shift.on_call == who) {
                Some(shift) => (shift.alerts, shift.critical) = (shift.alerts + 1, shift.critical + critical),
                None => shifts.push(Shift { rotation: rotation.id.clone(), on_call: who.to_owned(), alerts: 1, critical }),
            }
        }
    }
    shifts
}
