//! Stories of the links in e-mails, from what a reader gets to what everybody hears: the real SQL, scripted peers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a story that cannot go on fails")]

#[path = "support/world.rs"]
mod world;

use parapet::alert::link::{LINK_SIGNING_SECRET, Signer};
use parapet::alert::tick::tick;
use parapet::channel::Addresses;
use parapet::time::UnixMs;
use parapet::web::link::{self, Page};
use world::{EMAIL, SLACK, World, at_s, block_on, interleave, switch};

const SECRET: &str = "links-of-the-stories-are-signed-with-this";

/// A world where one alert was told of by e-mail, and the token of that link there.
fn mailed(act: &str) -> (World, String) {
    mailed_of(World::with_rules(vec![switch("s-one")]), act)
}

fn mailed_of(mut world: World, act: &str) -> (World, String) {
    let secret = |name: &str| if name == LINK_SIGNING_SECRET { Some(SECRET.to_owned()) } else { world::secret(name) };
    world.addresses = Addresses::resolve(&world.config.alerting, secret);
    for rule in world.config.alerting.rules.clone() {
        world.set(&rule.id, 1.0, at_s(-5));
    }
    world.run(at_s(0), at_s(59));
    let mail = world.http.arrivals.borrow().iter().find(|arrival| arrival.peer == EMAIL).unwrap().body.clone();
    let text = mail["text"].as_str().unwrap();
    let token = text.lines().filter_map(|line| line.split_once("/_parapet/a/")).map(|(_, token)| token).find(|token| token.contains(act));
    assert!(mail["html"].as_str().unwrap().contains(token.unwrap()));
    let token = token.unwrap().to_owned();
    (world, token)
}

fn signer() -> Option<Signer> {
    Signer::new(SECRET)
}

fn get(world: &World, token: &str, at: UnixMs) -> Page {
    block_on(link::show(&world.db, token, signer().as_ref(), &world.config, at))
}

async fn press(world: &World, token: &str, at: UnixMs) -> Page {
    link::act(&world.db, token, signer().as_ref(), (&world.config, &world.addresses), at).await
}

#[test]
fn a_scanner_that_opens_every_link_does_nothing_and_the_reader_who_presses_the_button_has_the_alert() {
    let (mut world, token) = mailed("snooze");
    for second in 60..80 {
        assert_eq!(get(&world, &token, at_s(second)).status, 200);
    }
    assert_eq!(world.messages().len(), 2, "nobody heard of it: {:?}", world.messages());
    assert_eq!(block_on(press(&world, &token, at_s(90))).status, 200);
    world.run(at_s(120), at_s(180));
    let titles = world.http.titles(SLACK);
    assert!(titles.len() == 2 && titles[1].contains("ACKNOWLEDGED critical"), "{titles:?}");
    assert_eq!(block_on(press(&world, &token, at_s(200))).status, 410);
    // After the hour they are told again, and the old link does not take it a second time.
    world.run(at_s(3_660), at_s(3_780));
    let titles = world.http.titles(SLACK);
    assert!(titles.len() == 3 && titles[2].contains("FIRING critical"), "{titles:?}");
    assert_eq!(block_on(press(&world, &token, at_s(3_800))).status, 410);
}

#[test]
fn two_readers_and_a_tick_at_once_take_it_once() {
    for turns in
        [[0, 1, 2, 0, 1, 2, 0, 1], [1, 0, 0, 1, 1, 0, 0, 1], [2, 2, 0, 0, 1, 1, 0, 1], [0, 0, 1, 1, 2, 2, 0, 1], [1, 2, 1, 0, 2, 0, 1, 0]]
    {
        let (mut world, token) = mailed("snooze");
        let pages = std::cell::RefCell::new(Vec::new());
        let now = at_s(60);
        let press = async || {
            let page = press(&world, &token, now).await;
            pages.borrow_mut().push(page.status);
        };
        interleave(
            vec![
                Box::pin(press()),
                Box::pin(press()),
                Box::pin(async { drop(tick(now, &world.config, &world.addresses, &world.db, &world.seen()).await) }),
            ],
            &turns,
            None,
        );
        let mut statuses = pages.into_inner();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 410], "{turns:?}");
        world.run(at_s(120), at_s(180));
        let heard = world.http.titles(SLACK).iter().filter(|title| title.contains("ACKNOWLEDGED")).count();
        assert_eq!(heard, 1, "{turns:?}: {:?}", world.http.titles(SLACK));
    }
}

#[test]
fn the_link_of_a_group_takes_what_it_told_of_and_not_what_came_later() {
    let mut world = World::with_rules(vec![switch("s-one"), switch("s-two")]);
    world.config.alerting.routes[0].group_by = vec!["severity".to_owned()];
    let (mut world, token) = mailed_of(world, "acknowledge");
    assert!(token.starts_with("grp_"), "{token}");
    world.config.alerting.rules.push(switch("s-late"));
    world.set("s-late", 1.0, at_s(55));
    world.run(at_s(60), at_s(119));
    let page = get(&world, &token, at_s(125));
    assert!(page.status == 200 && page.html.contains("s-one") && page.html.contains("s-two"), "{}", page.html);
    assert!(!page.html.contains("s-late"), "{}", page.html);
    assert_eq!(block_on(press(&world, &token, at_s(130))).status, 200);
    let rows = world.db.query("SELECT rule, json_extract(body, '$.response.by') AS taken FROM alerts WHERE phase = 'firing' ORDER BY rule");
    let by = |rule: &str| rows.iter().find(|row| row["rule"] == rule).unwrap()["taken"].as_str().map(str::to_owned);
    let link = Some("e-mail link (email)".to_owned());
    assert_eq!((by("s-one"), by("s-two"), by("s-late")), (link.clone(), link, None));
    assert_eq!(block_on(press(&world, &token, at_s(140))).status, 410);
}
