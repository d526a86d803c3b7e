//! What is around everything: the document, its style and its script, and the headers that keep
//! both the only ones. Nothing comes from elsewhere.

use std::sync::LazyLock;

use axum::http::HeaderValue;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::{Snapshot, words};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Two bars of which one is short: an attempt, and one that failed.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%23174ea6'/%3E%3Cpath d='M4 12V4h4.5a2.5 2.5 0 0 1 0 5H6' fill='none' stroke='white' stroke-width='2'/%3E%3Ccircle cx='11.5' cy='12' r='1.4' fill='white'/%3E%3C/svg%3E";

/// Only this style and this script, by what they are; nothing else is loaded, framed or sent.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        base64(&Sha256::digest(STYLE)),
        base64(&Sha256::digest(SCRIPT))
    );
    HeaderValue::from_str(&policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

/// Of every answer.
pub(super) fn headers() -> [(&'static str, HeaderValue); 7] {
    let fixed = HeaderValue::from_static;
    [
        ("content-security-policy", POLICY.clone()),
        ("x-content-type-options", fixed("nosniff")),
        ("x-frame-options", fixed("DENY")),
        ("referrer-policy", fixed("no-referrer")),
        ("cross-origin-opener-policy", fixed("same-origin")),
        ("cross-origin-resource-policy", fixed("same-origin")),
        ("cache-control", fixed("no-store")),
    ]
}

/// RFC 4648; of a digest there is always padding of one.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let group = part.iter().fold(0_u32, |group, byte| (group << 8) | u32::from(*byte));
        let group = group << (8 * (3 - part.len()));
        for place in 0..4 {
            let letter = LETTERS.get((group >> (18 - 6 * place)) as usize & 63);
            let is_there = place <= part.len();
            text.push(letter.filter(|_| is_there).map_or('=', |letter| char::from(*letter)));
        }
    }
    text
}

/// The document, or of it only what changes.
pub(super) fn page(title: &str, known: &Snapshot, main: Markup, is_part: bool) -> String {
    let now = known.now / 1000;
    let main = html! { main id="main" tabindex="-1" data-now=(now) data-title=(title) { (main) } };
    if is_part {
        return main.into_string();
    }
    let node = words::plain(&known.node);
    let body = html! {
        a.skip href="#main" { "Skip to the content" }
        header.top {
            a.brand href="/" { "podwhy" }
            span.node { span.sr { "node " } (node) }
            span.live { span.dot aria-hidden="true" {} span #live { "as loaded" } }
        }
        p #news.sr role="status" aria-live="polite" {}
        (main)
        footer {
            p {
                "podwhy " (env!("CARGO_PKG_VERSION")) " · times are UTC · "
                a href="/node.json" { "all of this as JSON" }
            }
        }
    };
    document(title, &body)
}

/// For who has no token.
pub(super) fn stranger() -> String {
    let body = html! {
        header.top { span.brand { "podwhy" } }
        main #main {
            section.verdict.quiet {
                h1 { "This page needs the token of the agent's present start" }
                p { "It shows what stands in logs, so it is only for who may read them. Ask the agent for its address, which holds the token:" }
                pre { code { "kubectl -n podwhy exec PODWHY-POD -- podwhy open" } }
                p { "On the node itself: " code { "podwhy open" } ". Each start of the agent makes a new token." }
            }
        }
    };
    document("podwhy", &body)
}

fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href=(ICON);
                style { (PreEscaped(STYLE)) }
            }
            body {
                (body)
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_written_as_browsers_read_them() {
        let told = ["", "f", "fo", "foo", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(told, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYmFy"]);
    }

    #[test]
    fn neither_style_nor_script_can_end_its_element_or_load_anything() {
        for text in [STYLE, SCRIPT] {
            for word in ["</", "http:", "https:", "@import", "url(", "innerHTML", "eval("] {
                assert!(!text.contains(word), "{word}");
            }
        }
    }
}
