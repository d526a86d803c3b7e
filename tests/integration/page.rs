//! The page of a running agent, as a browser with its address sees it.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::main_path::LONG;
use crate::wait;
use crate::why::{Stage, podwhy, text};

const SOON: std::time::Duration = std::time::Duration::from_secs(60);

/// What `podwhy open` tells: the place, and the token.
fn address(stage: &Stage) -> (String, String) {
    let mut told = String::new();
    wait::until("podwhy open tells the address", SOON, || {
        let output = stage.ask(&["open"]);
        told = text(&output).0;
        output.status.success()
    });
    let rest = told.trim().strip_prefix("http://").expect("an address");
    let (place, token) = rest.split_once("/?token=").expect("a token");
    (place.to_owned(), token.to_owned())
}

fn get((place, token): &(String, String), path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(place).expect("the page listens");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {place}\r\nAuthorization: Bearer {token}\r\nConnection: \
         close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.expect("a status"), body.to_owned())
}

fn failed(page: &(String, String)) -> u64 {
    let told: Value = serde_json::from_str(&get(page, "/node.json").1).expect("JSON");
    let quarters = told["day"].as_array().expect("quarters");
    quarters.iter().filter_map(|quarter| quarter["failed"].as_u64()).sum()
}

#[test]
fn the_page_of_a_running_agent_shows_what_fails_and_its_day_outlives_the_agent() {
    let name = "the_page_of_a_running_agent_shows_what_fails_and_its_day_outlives_the_agent";
    let Some(mut stage) = Stage::set(name) else { return };
    let told = stage.fail();
    let id = told[0]["id"].as_str().unwrap().to_owned();
    let page = address(&stage);
    let (status, body) = get(&page, "/");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("shop/web-0") && body.contains(&format!("/incident/{id}")), "{body}");
    let (status, body) = get(&page, &format!("/incident/{id}"));
    assert_eq!(status, 200);
    assert!(body.contains("back-off 5m0s restarting failed container"), "{body}");
    let json: Value = serde_json::from_str(&get(&page, &format!("/incident/{id}.json")).1).unwrap();
    assert_eq!(json["id"], id.as_str());
    assert_eq!(get(&(page.0.clone(), "wrong".to_owned()), "/").0, 401);
    let before = failed(&page);
    assert!(before > 0);

    let log = std::fs::read_to_string(stage.setup.log()).unwrap();
    assert!(!log.contains(&page.1), "the token stands in no log");
    assert!(stage.agent.terminate().success());
    let gone = stage.ask(&["open"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(text(&gone).1.contains("no agent runs here"), "{gone:?}");

    stage.agent = stage.setup.start();
    let again = address(&stage);
    assert_ne!(again.1, page.1, "each start makes a token");
    assert_eq!(get(&(again.0.clone(), page.1), "/").0, 401, "the old one opens nothing");
    assert!(failed(&again) >= before, "{} of {before}", failed(&again));
}

#[test]
fn a_page_that_is_switched_off_or_cannot_be_had_stops_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    std::fs::write(&config, "page: { listen: '10.0.0.1:9475' }\n").unwrap();
    let checked = podwhy(&["config", "check", config.to_str().unwrap()]).output().unwrap();
    assert_eq!(checked.status.code(), Some(64));
    assert!(text(&checked).1.contains("page.listen"), "{checked:?}");

    let name = "a_page_that_is_switched_off_or_cannot_be_had_stops_nothing_else";
    let Some(mut stage) = Stage::set(name) else { return };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    address(&stage);
    assert!(stage.agent.terminate().success());
    stage.setup.variables.push(("PODWHY_PAGE_LISTEN", listen));
    stage.agent = stage.setup.start();
    assert_eq!(stage.fail().len(), 1, "it works without a page");
    let log = std::fs::read_to_string(stage.setup.log()).unwrap();
    assert!(log.contains("no page as yet") && log.contains("another page.listen"), "{log}");
    assert_eq!(stage.ask(&["open"]).status.code(), Some(1));
    drop(taken);
    wait::until("the page comes once its port is free", LONG, || {
        stage.ask(&["open"]).status.success()
    });
}
