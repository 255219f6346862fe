//! What is unusual for a series that nobody wrote a threshold for.
//!
//! Two detectors, because a busy series and a rare event need different arithmetic: [`high_count`] judges single points of a
//! measurement against level, season and range; [`small_count`] judges sums of counts per hour against the usual rate of that hour of the week,
//! where a single hour says nothing. Both are pure: points and moments come in, a value that says why comes out.

pub mod high_count;
pub mod small_count;
mod tail;
