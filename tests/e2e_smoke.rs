//! The fixture itself, in the real runtime: the Worker answers, the cron trigger runs, D1 can be read, and a kill loses nothing.

mod support;

use support::runtime::Setup;

#[test]
fn the_built_worker_answers_ticks_and_comes_back_after_a_kill_with_its_database() {
    let mut runtime = Setup::new().start();
    assert_eq!(runtime.get("/").status, 200);
    runtime.tick(1_790_000_040_000);
    runtime.d1("INSERT INTO series (id, kind, name, labels) VALUES (7, 'counter', 'survives', '[]')");

    let before = runtime.address();
    runtime.kill();
    runtime.restart();

    assert_eq!(runtime.address(), before);
    assert_eq!(runtime.get("/").status, 200);
    let rows = runtime.d1("SELECT name FROM series WHERE id = 7");
    assert_eq!(rows, [serde_json::json!({ "name": "survives" })]);
}
