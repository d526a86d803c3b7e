//! Who may see the page. Owns the token, the cookie, the file that tells both, and what a browser is
//! told to refuse.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::shell;

/// In the state folder: the address of the page, its token included. For its owner only.
pub const URL_FILE: &str = "page.url";

/// 256 bits, made at each start.
#[derive(Debug)]
pub(super) struct Guard {
    token: String,
    /// Cookies do not heed ports: pages of two nodes that are forwarded to one machine need two.
    cookie: String,
}

impl Guard {
    /// # Errors
    /// Where there is no randomness.
    pub(super) fn make(node: &str) -> std::io::Result<Self> {
        let mut random = [0_u8; 32];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
        let whose = hex(&Sha256::digest(node.as_bytes()));
        let whose = whose.get(..8).unwrap_or_default();
        Ok(Self { token: hex(&random), cookie: format!("podwhy_{whose}") })
    }

    /// # Errors
    /// Where the file cannot be written.
    pub(super) fn keep(&self, folder: &Path, at: SocketAddr) -> std::io::Result<PathBuf> {
        let path = folder.join(URL_FILE);
        // Anew, so that nobody has it open from before and its mode is ours.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        writeln!(file, "http://{at}/?token={}", self.token)?;
        Ok(path)
    }

    fn is_token(&self, given: &str) -> bool {
        is_equal(&self.token, given)
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
        let cookies = headers.get_all(header::COOKIE).iter();
        let cookies = cookies.filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(';'));
        let mut cookies = cookies.filter_map(|pair| pair.trim().split_once('='));
        bearer.is_some_and(|token| self.is_token(token.trim()))
            || cookies.any(|(name, value)| name == self.cookie && self.is_token(value))
    }
}

/// In a time that tells nothing of where they differ: what is compared are digests.
fn is_equal(ours: &str, given: &str) -> bool {
    let (ours, given) = (Sha256::digest(ours), Sha256::digest(given));
    ours.iter().zip(given.iter()).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Lets in who may come in, and tells the browser what no answer of ours may do.
pub(super) async fn admit(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match judged(&guard, &request) {
        Ok(()) => next.run(request).await,
        Err(answer) => *answer,
    };
    let headers = response.headers_mut();
    for (name, value) in shell::headers() {
        headers.insert(HeaderName::from_static(name), value);
    }
    response
}

fn judged(guard: &Guard, request: &Request) -> Result<(), Box<Response>> {
    let refuse = |status: StatusCode, why: &'static str| {
        Err(Box::new((status, format!("{why}\n")).into_response()))
    };
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "this page can only be read");
    }
    // A name that was made to lead here would be somebody else's site.
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let hosts = [host, request.uri().authority().map(axum::http::uri::Authority::as_str)];
    if host.is_none() || !hosts.into_iter().flatten().all(is_loopback) {
        return refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "this page answers as 127.0.0.1, [::1] or localhost only",
        );
    }
    let sent = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_ours = matches!(sent("sec-fetch-site"), None | Some("none" | "same-origin"));
    if !is_ours && sent("sec-fetch-mode") != Some("navigate") {
        return refuse(StatusCode::FORBIDDEN, "another site asked for it");
    }
    let pairs = request.uri().query().unwrap_or_default().split('&');
    let token = pairs.filter_map(|pair| pair.strip_prefix("token=")).next();
    match token {
        Some(token) if guard.is_token(token) => Err(Box::new(welcome(guard, request))),
        None if guard.knows(request.headers()) => Ok(()),
        _ => Err(Box::new(
            (
                StatusCode::UNAUTHORIZED,
                [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
                shell::stranger(),
            )
                .into_response(),
        )),
    }
}

/// The token leaves the address, and with it the browser's history.
fn welcome(guard: &Guard, request: &Request) -> Response {
    let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Lax", guard.cookie, guard.token);
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    // Both are of our own making, a path besides: none holds what a header may not.
    let path = request.uri().path();
    let place = if path.starts_with("//") { "/" } else { path };
    let values = [(header::SET_COOKIE, &*cookie), (header::LOCATION, place)];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

/// `127.0.0.1`, `localhost` or `[::1]`, whatever the port: a forwarded one is another than ours.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "localhost", "[::1]"].contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_loopback_are_ours() {
        for ours in ["127.0.0.1", "127.0.0.1:9475", "localhost:1", "LOCALHOST", "[::1]:80", "[::1]"]
        {
            assert!(is_loopback(ours), "{ours}");
        }
        for other in
            ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil", "", "::1", "10.0.0.1"]
        {
            assert!(!is_loopback(other), "{other}");
        }
    }

    #[test]
    fn each_start_has_a_token_of_its_own_and_each_node_a_cookie() {
        let (one, other) = (Guard::make("a").unwrap(), Guard::make("a").unwrap());
        assert_eq!((one.token.len(), one.cookie == other.cookie), (64, true));
        assert!(one.is_token(&one.token) && !one.is_token(&other.token) && !one.is_token(""));
        assert_ne!(one.cookie, Guard::make("b").unwrap().cookie);
    }
}
