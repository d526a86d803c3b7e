//! One rule per kind of secret: a pattern, and where a pattern cannot tell, a judgement on the
//! value. Every replacement is left alone by a second pass.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};

use super::Counts;

pub(super) const MARK: &str = "REDACTED";

/// Shorter runs are ids and digests of the runtime (64 hex digits) or names.
const BASE64_RUN: usize = 64;

/// What is looked for; the order is that of application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// `-----BEGIN …-----` up to its end.
    Pem,
    /// `scheme://host/path?query`: pre-signed URLs, SAS.
    UrlQuery,
    /// `scheme://user:password@host`.
    UrlUserinfo,
    /// `user:password@host` without a scheme: DSNs.
    BareUserinfo,
    /// `X-Amz-…=…`.
    AmzParameter,
    /// `sig=…`, `signature=…`.
    Signature,
    /// `Bearer …`, `Basic …`.
    Authorization,
    /// `eyJ….….…`, and JSON in base64 as in a `.dockerconfigjson`.
    Jwt,
    /// `AKIA…`, `ASIA…`.
    AwsKey,
    /// Tokens that say by their beginning whose they are: `ghp_…`, `glpat-…`, `xoxb-…`, `AIza…`.
    VendorToken,
    /// `"auth":"…"` of a registry's login.
    RegistryAuth,
    /// `EnvVar{Name:…,Value:…`.
    EnvValue,
    /// `password=…`, `token: …`, `"secret":"…"`, mount options.
    KeyedSecret,
    /// `--password …`: in the command of a hook or a probe.
    FlagSecret,
    /// Long base64.
    LongBase64,
}

impl Rule {
    /// All, in order of application.
    pub const ALL: [Self; 15] = [
        Self::Pem,
        Self::UrlQuery,
        Self::UrlUserinfo,
        Self::BareUserinfo,
        Self::AmzParameter,
        Self::Signature,
        Self::Authorization,
        Self::Jwt,
        Self::AwsKey,
        Self::VendorToken,
        Self::RegistryAuth,
        Self::EnvValue,
        Self::KeyedSecret,
        Self::FlagSecret,
        Self::LongBase64,
    ];

    /// The word that a metric carries.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pem => "pem",
            Self::UrlQuery => "url_query",
            Self::UrlUserinfo => "url_userinfo",
            Self::BareUserinfo => "bare_userinfo",
            Self::AmzParameter => "amz_parameter",
            Self::Signature => "signature",
            Self::Authorization => "authorization",
            Self::Jwt => "jwt",
            Self::AwsKey => "aws_key",
            Self::VendorToken => "vendor_token",
            Self::RegistryAuth => "registry_auth",
            Self::EnvValue => "env_value",
            Self::KeyedSecret => "keyed_secret",
            Self::FlagSecret => "flag_secret",
            Self::LongBase64 => "long_base64",
        }
    }

    /// Replaces what the rule finds.
    pub(super) fn apply<'a>(self, text: &'a str, counts: &mut Counts) -> Cow<'a, str> {
        let Some(pattern) = PATTERNS.get(self as usize) else { return Cow::Borrowed(text) };
        let mut changed = false;
        let replaced = pattern.replace_all(text, |found: &Captures<'_>| {
            let whole = found.get(0).map_or("", |whole| whole.as_str());
            match self.replacement(found) {
                Some(new) if new != whole => {
                    counts.count(self);
                    changed = true;
                    new
                }
                _ => whole.to_owned(),
            }
        });
        let replaced = match replaced {
            Cow::Owned(owned) if changed => owned,
            _ => return Cow::Borrowed(text),
        };
        Cow::Owned(replaced)
    }

    /// `None` leaves the match as it is.
    fn replacement(self, found: &Captures<'_>) -> Option<String> {
        let group = |index| found.get(index).map_or("", |group| group.as_str());
        match self {
            Self::Pem | Self::Jwt | Self::AwsKey | Self::VendorToken => Some(MARK.to_owned()),
            Self::UrlQuery => Some(format!("{}?{MARK}", group(1))),
            Self::UrlUserinfo => Some(format!("://{MARK}@")),
            Self::AmzParameter | Self::Signature | Self::EnvValue | Self::FlagSecret => {
                Some(format!("{}{MARK}", group(1)))
            }
            Self::BareUserinfo => bare_userinfo(group(1), group(2)),
            Self::RegistryAuth => looks_encoded(group(2)).then(|| format!("{}{MARK}", group(1))),
            Self::Authorization => looks_encoded(group(2)).then(|| format!("{}{MARK}", group(1))),
            Self::KeyedSecret => keyed(group(1), group(2), group(3)),
            Self::LongBase64 => is_base64(group(0)).then(|| MARK.to_owned()),
        }
    }
}

/// A literal that stands in every match of its rule, without regard to case.
pub(super) const LITERALS: &[(&str, Rule)] = &[
    ("-----begin", Rule::Pem),
    ("://", Rule::UrlQuery),
    ("://", Rule::UrlUserinfo),
    ("@", Rule::BareUserinfo),
    ("x-amz-", Rule::AmzParameter),
    ("sig=", Rule::Signature),
    ("signature=", Rule::Signature),
    ("bearer", Rule::Authorization),
    ("basic", Rule::Authorization),
    ("eyj", Rule::Jwt),
    ("akia", Rule::AwsKey),
    ("asia", Rule::AwsKey),
    ("ghp_", Rule::VendorToken),
    ("gho_", Rule::VendorToken),
    ("ghu_", Rule::VendorToken),
    ("ghs_", Rule::VendorToken),
    ("ghr_", Rule::VendorToken),
    ("github_pat_", Rule::VendorToken),
    ("glpat-", Rule::VendorToken),
    ("npm_", Rule::VendorToken),
    ("xox", Rule::VendorToken),
    ("aiza", Rule::VendorToken),
    ("ya29.", Rule::VendorToken),
    ("dckr_pat_", Rule::VendorToken),
    ("sk_live_", Rule::VendorToken),
    ("hvs.", Rule::VendorToken),
    ("auth", Rule::RegistryAuth),
    (",value:", Rule::EnvValue),
    ("value", Rule::EnvValue),
    ("password", Rule::KeyedSecret),
    ("passwd", Rule::KeyedSecret),
    ("passphrase", Rule::KeyedSecret),
    ("pwd", Rule::KeyedSecret),
    ("_pass", Rule::KeyedSecret),
    ("secret", Rule::KeyedSecret),
    ("token", Rule::KeyedSecret),
    ("key", Rule::KeyedSecret),
    ("--", Rule::FlagSecret),
    ("-u", Rule::FlagSecret),
];

/// In the order of [`Rule::ALL`]. No pattern begins with a repetition, so that a search never scans
/// the same run twice.
static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"(?s)-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\z)",
        r#"(://[^\s?"'<>\\]{1,2048})\?[^\s"'<>\\]+"#,
        r#"://[^\s/"'<>?\\]+@"#,
        r#"\b([A-Za-z0-9._-]{1,64}:[^\s:@/"'(){}\[\],;\\]{1,128})@([A-Za-z0-9_.-]{1,128}[:/(])"#,
        r#"(?i)(x-amz-[a-z-]{1,64}(?:=|: ?))[^\s&"',;\\]+"#,
        r#"(?i)(\b(?:sig|signature)=)[^\s&"',;\\]+"#,
        r"(?i)(\b(?:bearer|basic) +)([A-Za-z0-9._~+/=-]{8,})",
        r"eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*|\beyJ[A-Za-z0-9+/_-]{20,}={0,2}",
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        concat!(
            r"\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_-]{16,}",
            r"|npm_[A-Za-z0-9]{16,}|xox[abeprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{30,}",
            r"|ya29\.[A-Za-z0-9_-]{16,}|dckr_pat_[A-Za-z0-9_-]{16,}|sk_live_[A-Za-z0-9]{16,}",
            r"|hvs\.[A-Za-z0-9_-]{16,})"
        ),
        r#"(?i)(\bauth\\*["']?\s{0,4}[:=]\s{0,4}\\*["']?)([A-Za-z0-9+/]{8,}={0,2})"#,
        concat!(
            r"(Name:[^,{}]{1,256},Value:|",
            r#"(?i:\\*"name\\*"\s?:\s?\\*"[^"\\]{0,64}(?:passw|secret|token|key)[^"\\]{0,64}\\*"\s?,"#,
            r#"\s?\\*"value\\*"\s?:\s?\\*"))[^",}\\]+"#
        ),
        concat!(
            r"(?i)(passwords?|passwd|passphrase|pwd|_pass|secrets?|tokens?|(?:api|access|account|secret|private)[_-]?key)",
            r#"(\\*["']?\s{0,4}[=:]\s{0,4})"#,
            r#"(\\*"[^"\\]*|\\*'[^'\\]*|[^\s"'&\\]+)"#
        ),
        // What begins like a path or another flag is no value.
        concat!(
            r"(?i)((?:--[a-z0-9-]{0,32}(?:password|passwd|passphrase|secret|token|(?:api|access|secret)-?key)",
            r#"(?:\\*["'])?,? {1,4}\\*["']?"#,
            r#"|(?:-u|--user)(?:\\*["'])?,? {1,4}\\*["']?[a-z0-9._-]{1,64}:))[^\s"'\\\]/-][^\s"'\\\]]*"#
        ),
        r"[A-Za-z0-9+/_-]{64,}={0,2}",
    ]
    .iter()
    .map(|pattern| Regex::new(pattern).expect("the patterns are a fixed list"))
    .collect()
});

/// A key, what parts it from its value, and the value with its opening quote, if any.
fn keyed(key: &str, parting: &str, value: &str) -> Option<String> {
    let bare = value.trim_start_matches(['\\', '"', '\'']);
    if bare.is_empty() {
        return None;
    }
    let is_named_password = key.len() >= 3 && key.to_ascii_lowercase().starts_with('p');
    let is_prose = parting.starts_with(':') && parting.len() > 1 && !is_named_password;
    if is_prose && !looks_secret(bare) {
        return None;
    }
    let quote = value.get(..value.len() - bare.len()).unwrap_or_default();
    Some(format!("{key}{parting}{quote}{MARK}"))
}

/// `user:password@host:`; an image's `name:tag@sha256:` is none.
fn bare_userinfo(before: &str, host: &str) -> Option<String> {
    let (user, password) = before.split_once(':')?;
    let is_digest = host.starts_with("sha") || password == MARK;
    // `10:30:15.5@…` and the like.
    let is_number = password.bytes().all(|byte| byte.is_ascii_digit());
    let whole = format!("{user}:{MARK}@{host}");
    (!is_digest && !is_number).then_some(whole)
}

/// `failed to fetch anonymous token: unexpected status …` is prose, not a secret.
fn looks_secret(value: &str) -> bool {
    value.len() >= 8
        && value.bytes().any(|byte| byte.is_ascii_digit())
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !value.contains("://")
}

/// `Basic authentication` is a word, `Basic dXNlcjpwYXNz` is not, nor is anything so long.
fn looks_encoded(value: &str) -> bool {
    value.len() >= 20
        || value.bytes().any(|byte| byte.is_ascii_digit() || matches!(byte, b'=' | b'+' | b'/'))
        || (value.bytes().skip(1).any(|byte| byte.is_ascii_uppercase())
            && value.bytes().any(|byte| byte.is_ascii_lowercase()))
}

/// Paths, names and digests are no base64: they lack a long unbroken run of mixed case and digits.
fn is_base64(value: &str) -> bool {
    value.split(['/', '-', '_', '+', '=']).any(|run| {
        run.len() >= 24
            && run.bytes().any(|byte| byte.is_ascii_uppercase())
            && run.bytes().any(|byte| byte.is_ascii_lowercase())
            && run.bytes().any(|byte| byte.is_ascii_digit())
    })
}

/// Any run that the last rule could match.
pub(super) fn has_long_run(text: &str) -> bool {
    let mut run = 0;
    for byte in text.bytes() {
        let belongs = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-');
        run = if belongs { run + 1 } else { 0 };
        if run >= BASE64_RUN {
            return true;
        }
    }
    false
}
