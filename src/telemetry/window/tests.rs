//! A Collector's window: late values, bounds and what is written of it.

use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { max_series: 50, max_series_per_name: 5 };
const NOW: UnixMs = UnixMs(1_772_366_400_000);

fn entry(ago_ms: i64, key: SeriesKey, cell: Cell) -> Entry {
    Entry { t: NOW.plus(-ago_ms), key, cell, id: None }
}

fn counter(name: &str, label: &str) -> SeriesKey {
    SeriesKey::new(Kind::Counter, name, vec![("l".into(), label.into())])
}

fn batch(entries: Vec<Entry>) -> Batch {
    Batch { writer: None, entries }
}

fn amount(cells: &[(SeriesKey, Cell)], name: &str) -> f64 {
    cells.iter().filter(|(key, _)| key.name() == name).map(|(_, cell)| cell.amount()).sum()
}

fn restarted(window: &mut Window) -> Window {
    let unwritten = window.unwritten_minutes();
    let text = serde_json::to_string(&window.checkpoint()).unwrap();
    Window::restored(serde_json::from_str(&text).unwrap(), &unwritten)
}

#[test]
fn a_late_value_reopens_its_minute_and_one_too_late_is_counted_as_dropped() {
    let mut window = Window::default();
    window.apply(&batch(vec![entry(30 * MINUTE_MS, counter("x_total", "a"), Cell::count(1))]), NOW, BOUNDS);
    let (slices, mark) = window.unwritten(NOW);
    assert_eq!(slices.len(), 1);
    window.apply(&batch(vec![entry(30 * MINUTE_MS, counter("x_total", "a"), Cell::count(2))]), NOW, BOUNDS);
    window.written(&mark);
    let (again, mark) = window.unwritten(NOW);
    assert_eq!(amount(&again[0].cells, "x_total"), 3.0, "the minute changed while it was being written, so it is written again, whole");
    window.written(&mark);
    assert_eq!(window.unwritten_minutes(), []);
    window.apply(&batch(vec![entry(61 * MINUTE_MS, counter("x_total", "a"), Cell::count(1))]), NOW, BOUNDS);
    let live = window.live(NOW, 60_000, Detail::Merged);
    assert_eq!((amount(&live.cells, "x_total"), amount(&live.cells, "parapet_dropped_total")), (0.0, 1.0));
}

#[test]
fn beyond_its_bounds_a_name_is_counted_under_other() {
    let mut window = Window::default();
    for n in 0..500 {
        window.apply(&batch(vec![entry(0, counter("x_total", &n.to_string()), Cell::count(1))]), NOW, BOUNDS);
    }
    assert_eq!(window.series(), 6);
    let totals = window.totals();
    assert_eq!(amount(&totals, "x_total"), 500.0);
    assert_eq!(totals.iter().find(|(key, _)| key.label("l") == Some(OTHER)).map(|(_, cell)| cell.amount()), Some(495.0));
}

#[test]
fn our_own_series_give_up_only_the_route() {
    let mut window = Window::default();
    for n in 0..500 {
        let labels = vec![("route".into(), format!("/{n}")), ("class".into(), "5xx".into())];
        let key = SeriesKey::new(Kind::Counter, "http_requests_total", labels);
        window.apply(&batch(vec![entry(0, key, Cell::count(1))]), NOW, BOUNDS);
    }
    let totals = window.totals();
    assert_eq!(window.series(), BOUNDS.max_series + 1);
    let beyond = totals.iter().find(|(key, _)| key.label("route") == Some(OTHER)).unwrap();
    assert_eq!((beyond.0.label("class"), beyond.1.amount()), (Some("5xx"), 450.0), "a rule over the class misses nothing");
}

#[test]
fn one_name_has_one_kind() {
    let mut window = Window::default();
    let gauge = SeriesKey::new(Kind::Gauge, "x_total", vec![]);
    window.apply(
        &batch(vec![entry(0, counter("x_total", "a"), Cell::count(1)), entry(0, gauge, Cell::single(Kind::Gauge, 5.0, 0))]),
        NOW,
        BOUNDS,
    );
    let totals = window.totals();
    assert_eq!(amount(&totals, "x_total"), 1.0);
    assert_eq!(amount(&totals, "parapet_dropped_total"), 1.0);
}

#[test]
fn the_live_window_slides_and_old_buckets_leave() {
    let mut window = Window::default();
    window.apply(
        &batch(vec![entry(0, counter("x_total", "a"), Cell::count(1)), entry(70_000, counter("x_total", "a"), Cell::count(10))]),
        NOW,
        BOUNDS,
    );
    let in_last = |window_ms| amount(&window.live(NOW, window_ms, Detail::Merged).cells, "x_total");
    assert_eq!((in_last(60_000), in_last(300_000)), (1.0, 11.0));
    window.expire(NOW.plus(LIVE_MS + 2 * MINUTE_MS), BOUNDS);
    assert_eq!(window.tens.len(), 0);
    assert_eq!(window.minutes.len(), 2, "minutes stay while they may still change or D1 lacks them");
}

#[test]
fn a_dead_d1_is_waited_for_six_hours_and_then_the_loss_is_counted() {
    let mut window = Window::default();
    window.apply(&batch(vec![entry(0, counter("x_total", "a"), Cell::count(1))]), NOW, BOUNDS);
    window.expire(NOW.plus(5 * HOUR_MS), BOUNDS);
    assert_eq!(window.unwritten(NOW.plus(5 * HOUR_MS)).0.len(), 1);
    window.expire(NOW.plus(UNWRITTEN_MS), BOUNDS);
    assert_eq!(amount(&window.totals(), "parapet_dropped_total"), 1.0);
}

proptest! {
    #[test]
    fn any_order_of_batches_and_restarts_gives_the_same_window(
        seen in prop::collection::vec((0_i64..3_000_000, 0_usize..4, 1_u64..5), 1..40),
        order in any::<prop::sample::Index>(),
        restart_at in 0_usize..40,
    ) {
        let batches: Vec<Batch> = seen.iter().map(|(ago, label, n)| batch(vec![entry(*ago, counter("x_total", &label.to_string()), Cell::count(*n))])).collect();
        let mut straight = Window::default();
        for b in &batches {
            straight.apply(b, NOW, BOUNDS);
        }
        let mut turned = batches.clone();
        turned.rotate_left(order.index(batches.len()));
        let mut other = Window::default();
        for (n, b) in turned.iter().enumerate() {
            if n == restart_at {
                other = restarted(&mut other);
            }
            other.apply(b, NOW, BOUNDS);
        }
        prop_assert_eq!(straight.totals(), other.totals());
        prop_assert_eq!(straight.unwritten(NOW).0, other.unwritten(NOW).0);
        prop_assert_eq!(straight.live(NOW, LIVE_MS, Detail::Slices), other.live(NOW, LIVE_MS, Detail::Slices));
        let whole = straight.live(NOW, LIVE_MS, Detail::Slices);
        let shards = batches.iter().map(|b| { let mut w = Window::default(); w.apply(b, NOW, BOUNDS); w.live(NOW, LIVE_MS, Detail::Slices) }).collect();
        prop_assert_eq!(merge_answers(shards).cells, whole.cells, "shards merge to the whole");
        prop_assert_eq!(restarted(&mut straight).totals(), other.totals());
    }
}
