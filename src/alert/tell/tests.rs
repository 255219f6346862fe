//! What people are owed after a step, row by row.

use super::*;
use crate::alert::incident::Firing;
use crate::alert::suppress::SuppressedBy;

fn by(id: &str) -> Suppression {
    Suppression { by: SuppressedBy::Silence, id: id.to_owned(), source: None }
}

#[test]
fn what_people_are_owed() {
    use NotifyReason::{First, Resolved, RuleRemoved};
    let holds = || Transition::StillFiring(Firing::ConditionHolds);
    let blind = || Transition::StillFiring(Firing::Held);
    let over = || Transition::Resolved(Resolved);
    let table = [
        ("it begins to fire", Transition::Fired, None, None, Owed::Message(First)),
        ("it begins to fire, silenced", Transition::Fired, None, Some("a"), Owed::Later(by("a"))),
        ("it fires on, owed, silenced", holds(), Some("a"), Some("a"), Owed::Later(by("a"))),
        ("it fires on, owed, silenced by another", holds(), Some("a"), Some("b"), Owed::Later(by("b"))),
        ("it fires on, owed, the silence is over", holds(), Some("a"), None, Owed::Message(First)),
        ("the silence is over while we are blind", blind(), Some("a"), None, Owed::Message(First)),
        ("it fires on, told", holds(), None, None, Owed::Nothing),
        ("it fires on, told, then silenced", holds(), None, Some("a"), Owed::Nothing),
        ("it ends, told", over(), None, None, Owed::Message(Resolved)),
        ("it ends, told, then silenced", over(), None, Some("a"), Owed::Message(Resolved)),
        ("it ends and nobody knew", over(), Some("a"), Some("a"), Owed::Nothing),
        ("it ends and nobody knew, the silence is over", over(), Some("a"), None, Owed::Nothing),
        ("its rule is gone, told, silenced", Transition::Resolved(RuleRemoved), None, Some("a"), Owed::Message(RuleRemoved)),
        ("it is pending, silenced", Transition::BecamePending, None, Some("a"), Owed::Nothing),
        ("nothing is wrong, silenced", Transition::Quiet, None, Some("a"), Owed::Nothing),
        ("an older tick", Transition::Stale, Some("a"), None, Owed::Nothing),
    ];
    for (name, transition, withheld, suppression, expected) in table {
        assert_eq!(owed(&transition, withheld.map(by).as_ref(), suppression.map(by)), expected, "{name}");
    }
}
