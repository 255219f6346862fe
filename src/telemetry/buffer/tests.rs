//! Flushes: every request in one of them, sent until somebody has it.

use super::*;

fn sample(table: &mut RouteTable, path: &str, status: u16) -> Sample {
    Sample {
        route: table.route_of(path),
        method: Method::Get,
        class: StatusClass::of(status),
        duration_ms: Some(40.0),
        response_bytes: 100,
        country: Country::of("ZA"),
        colo: Colo::of("JNB"),
        client: ClientClass::Browser,
        cache: CacheStatus::None,
        limit: None,
        origin_failure: None,
    }
}

fn counted(batches: &[Batch], name: &str) -> f64 {
    batches.iter().flat_map(|batch| &batch.entries).filter(|entry| entry.key.name() == name).map(|entry| entry.cell.amount()).sum()
}

struct Isolate {
    buffer: Buffer,
    routes: RouteTable,
}

impl Isolate {
    fn new() -> Self {
        Self { buffer: Buffer::default(), routes: RouteTable::new(&[], 200) }
    }

    fn record(&mut self, path: &str, at_ms: i64) {
        let sample = sample(&mut self.routes, path, 200);
        self.buffer.record(&sample, UnixMs(at_ms), &Names { routes: &self.routes, limits: &[] });
    }

    fn flush(&mut self, at_ms: i64) {
        self.buffer.flush("iso", UnixMs(at_ms), &Names { routes: &self.routes, limits: &[] });
    }
}

#[test]
fn an_unacknowledged_flush_is_sent_again_under_its_own_number() {
    let mut isolate = Isolate::new();
    isolate.record("/", 0);
    isolate.flush(900);
    isolate.record("/", 1_000);
    isolate.flush(1_900);
    let seqs =
        |isolate: &Isolate| isolate.buffer.unacknowledged().iter().map(|batch| batch.writer.clone().unwrap().seq).collect::<Vec<_>>();
    assert_eq!(seqs(&isolate), [1, 2]);
    isolate.buffer.acknowledge(1);
    assert_eq!(seqs(&isolate), [2]);
    isolate.flush(2_000);
    assert_eq!(seqs(&isolate), [2], "an empty buffer makes no flush");
}

#[test]
fn every_request_is_in_exactly_one_flush_even_across_a_bucket_border() {
    let mut isolate = Isolate::new();
    for n in 0..100 {
        isolate.record("/x", 9_950 + n);
    }
    isolate.flush(10_100);
    let batches = isolate.buffer.unacknowledged();
    assert!((counted(&batches, name::REQUESTS) - 100.0).abs() < f64::EPSILON);
    assert!((counted(&batches, name::DURATION) - 100.0).abs() < f64::EPSILON);
    let buckets: Vec<i64> =
        batches[0].entries.iter().filter(|entry| entry.key.name() == name::REQUESTS).map(|entry| entry.t.floor(BUCKET_MS).0).collect();
    assert_eq!(buckets, [0, 10_000]);
}

#[test]
fn what_a_dead_collector_costs_is_counted() {
    let mut isolate = Isolate::new();
    for second in 0..40 {
        isolate.record("/", second * 1_000);
        isolate.flush(second * 1_000 + 900);
    }
    let batches = isolate.buffer.unacknowledged();
    assert_eq!(batches.len(), MAX_UNACKNOWLEDGED);
    isolate.flush(41_000);
    let lost = counted(&isolate.buffer.unacknowledged(), name::DROPPED);
    assert!(lost >= 9.0, "{lost} of 10 lost flushes are known so far");
}

#[test]
fn the_wire_format_of_a_flush_stays() {
    let batch = Batch {
        writer: Some(Writer { isolate: "a".into(), seq: 1 }),
        entries: vec![Entry { t: UnixMs(5), key: dropped_key("late"), cell: Cell::count(1), id: None }],
    };
    insta::assert_snapshot!(
        serde_json::to_string(&batch).unwrap(),
        @r#"{"writer":{"isolate":"a","seq":1},"entries":[{"t":5,"key":["counter","parapet_dropped_total",[["reason","late"]]],"cell":{"c":1000000}}]}"#
    );
}
