//! Days and hours on the clock of a zone. Times are `HH:MM`, days three letters, dates `2026-03-02`.

use serde::Serialize;

use crate::config::business::minute_of_day;
use crate::record::{record, words};

/// Year, month and day.
pub type Date = (i32, u32, u32);

/// `YYYY-MM-DD`.
pub fn date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let mut number = |digits: usize| parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()));
    let (year, month, day) = (number(4)?.parse().ok()?, number(2)?.parse().ok()?, number(2)?.parse().ok()?);
    (parts.next().is_none() && (1..=12).contains(&month) && (1..=31).contains(&day)).then_some((year, month, day))
}

/// `YYYY-MM-DD HH:MM` as the day and the minutes since its midnight.
pub fn local_moment(text: &str) -> Option<(Date, u32)> {
    let (day, clock) = text.split_once(' ')?;
    Some((date(day)?, minute_of_day(clock)?))
}

/// Hours of a week, in a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hours {
    /// The days they begin on.
    pub days: Vec<Weekday>,
    /// From when to when.
    pub hours: Span,
    /// IANA zone.
    pub zone: String,
}

record!(Hours { days, hours, zone });

/// Hours with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimeInterval {
    /// What routes call it.
    pub id: String,
    /// When it is.
    pub hours: Hours,
}

record!(TimeInterval { id, hours });

/// Part of a day, over midnight if it ends before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Beginning, `HH:MM`.
    pub from: String,
    /// End, `HH:MM`, not included; may be `24:00`.
    pub to: String,
}

record!(Span { from, to });

impl Span {
    /// Both as minutes since local midnight; `None` unless both are `HH:MM` and different.
    pub fn minutes(&self) -> Option<(u32, u32)> {
        let (from, to) = (minute_of_day(&self.from)?, minute_of_day(&self.to)?);
        (from != to && from < 24 * 60).then_some((from, to))
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    /// 0 for Monday to 6 for Sunday.
    pub fn from_monday(self) -> u32 {
        match self {
            Self::Mon => 0,
            Self::Tue => 1,
            Self::Wed => 2,
            Self::Thu => 3,
            Self::Fri => 4,
            Self::Sat => 5,
            Self::Sun => 6,
        }
    }
}

words!(Weekday { Mon "mon", Tue "tue", Wed "wed", Thu "thu", Fri "fri", Sat "sat", Sun "sun" });
