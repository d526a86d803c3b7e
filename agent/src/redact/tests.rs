//! Each pattern of otlp.md 6.4 by example, what must stay, and the scrubber's two properties.

use proptest::prelude::*;

use super::*;

fn scrubbed(text: &str) -> String {
    scrub(text, &mut Counts::default()).into_owned()
}

#[test]
fn o24_each_kind_of_secret_is_removed_and_counted() {
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    let base64 = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    let pem = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----";
    let cases: &[(Rule, &str, &str)] = &[
        (
            Rule::UrlQuery,
            "Get \"https://b.example/x?X=1&Sig=abc\": EOF",
            "Get \"https://b.example/x?REDACTED\": EOF",
        ),
        (
            Rule::UrlUserinfo,
            "proxy http://joe:p@ss@proxy:3128 down",
            "proxy http://REDACTED@proxy:3128 down",
        ),
        (Rule::AmzParameter, "X-Amz-Credential=AB/cd done", "X-Amz-Credential=REDACTED done"),
        (Rule::Signature, "sv=2&sig=abc%2Bd&se=1", "sv=2&sig=REDACTED&se=1"),
        (
            Rule::Authorization,
            "Authorization: Bearer abc123def456",
            "Authorization: Bearer REDACTED",
        ),
        (Rule::Authorization, "header Basic dXNlcjpwYXNz refused", "header Basic REDACTED refused"),
        (Rule::Jwt, jwt, "REDACTED"),
        (Rule::AwsKey, "key AKIAIOSFODNN7EXAMPLE bad", "key REDACTED bad"),
        (
            Rule::EnvValue,
            "EnvVar{Name:DB_HOST,Value:db-1,ValueFrom:nil,}",
            "EnvVar{Name:DB_HOST,Value:REDACTED,ValueFrom:nil,}",
        ),
        (Rule::KeyedSecret, "-o username=u,password=hunter2", "-o username=u,password=REDACTED"),
        (Rule::KeyedSecret, r#"{"token":"abcdef","x":1}"#, r#"{"token":"REDACTED","x":1}"#),
        (Rule::KeyedSecret, r#"{\"password\":\"ab cd\"}"#, r#"{\"password\":\"REDACTED\"}"#),
        (Rule::KeyedSecret, "MYSQL_PWD=x y", "MYSQL_PWD=REDACTED y"),
        (Rule::KeyedSecret, "apikey: 12ab34cd56", "apikey: REDACTED"),
        (Rule::KeyedSecret, "password: hunter", "password: REDACTED"),
        (Rule::KeyedSecret, "DB_PASS=hunter2", "DB_PASS=REDACTED"),
        (
            Rule::Authorization,
            "Bearer abcdefghijklmnopqrstuvwxyz refused",
            "Bearer REDACTED refused",
        ),
        (
            Rule::FlagSecret,
            "exec [mysqladmin --password hunter ping]",
            "exec [mysqladmin --password REDACTED ping]",
        ),
        (Rule::FlagSecret, r#"["--db-token", "hunter"]"#, r#"["--db-token", "REDACTED"]"#),
        (Rule::Pem, pem, "REDACTED"),
        (Rule::LongBase64, base64, "REDACTED"),
    ];
    for (rule, text, expected) in cases {
        let mut counts = Counts::default();
        assert_eq!(scrub(text, &mut counts), *expected, "{text}");
        assert_eq!(counts.of(*rule), 1, "{text}: {counts:?}");
    }
}

/// The rows of the table that every output is held against, too (`tests/integration/redaction.rs`).
fn table() -> Vec<(&'static str, String, Vec<&'static str>)> {
    let rows = include_str!("../../../tests/redaction/table.tsv").lines();
    let rows = rows.filter(|row| !row.starts_with('#'));
    rows.map(|row| {
        let mut cells = row.split('\t');
        let mut next = || cells.next().expect("three cells");
        let (name, text, secrets) = (next(), next(), next());
        let text = text.replace("\\\\", "\u{1}").replace("\\n", "\n").replace('\u{1}', "\\");
        (name, text, secrets.split('|').filter(|secret| *secret != "-").collect())
    })
    .collect()
}

#[test]
fn o24_no_secret_of_the_table_survives_in_any_quoting_and_no_near_miss_is_touched() {
    assert!(table().len() >= 60);
    for (name, text, secrets) in table() {
        if secrets.is_empty() {
            assert_eq!(scrubbed(&text), text, "{name}");
            continue;
        }
        // As it is; inside a klog value; inside a value of that value; line by line.
        let once = format!("{text:?}");
        let twice = format!("{once:?}");
        let mut stream = Stream::default();
        let lines: Vec<String> = text.lines().map(|line| stream.line(1, line)).collect();
        let told = [scrubbed(&text), scrubbed(&once), scrubbed(&twice), lines.join("\n")];
        for (at, told) in told.iter().enumerate() {
            for secret in &secrets {
                assert!(!told.contains(secret), "{name} ({at}): {told}");
            }
            assert_eq!(&scrubbed(told), told, "{name} ({at})");
        }
    }
}

#[test]
fn o24_words_of_a_command_and_members_of_an_object_are_read_with_their_names() {
    let words = ["mysqladmin", "--password", "hunter", "-h", "db", "ping"].map(str::to_owned);
    assert_eq!(list(words.to_vec()), ["mysqladmin", "--password", "REDACTED", "-h", "db", "ping"]);
    let mut object = serde_json::json!({
        "password": "hunter2", "name": "web-0", "lines": ["a", "Bearer abc123def456"],
        "command": ["x", "--token", "hunter2"], "depth": {"note": "token=abc"}, "count": 3,
    });
    value(&mut object);
    let expected = serde_json::json!({
        "password": "REDACTED", "name": "web-0", "lines": ["a", "Bearer REDACTED"],
        "command": ["x", "--token", "REDACTED"], "depth": {"note": "token=REDACTED"}, "count": 3,
    });
    assert_eq!(object, expected);
}

#[test]
fn o24_what_explains_a_failure_stays() {
    for text in [
        "secret \"mail-registry\" not found",
        "couldn't find key token in Secret shop/cart",
        "Couldn't get secret shop/web-token: secret \"web-token\" not found",
        "failed to fetch anonymous token: unexpected status from GET request to https://r.example/token: 401 Unauthorized",
        "failed to fetch token: serviceaccounts \"x\" is forbidden",
        "failed to sync secret cache: timed out waiting for the condition",
        "no basic authentication credentials",
        "sandbox \"c03b7a91e5d24f68b1a0937ce46d52f8917b3e0ac5d84f2619e7b05d3c8a64f1\"",
        "registry.example.net/shop/cart@sha256:c03b7a91e5d24f68b1a0937ce46d52f8917b3e0ac5d84f2619e7b05d3c8a64f1",
        "/var/lib/kubelet/pods/04b46670-a2b0-4505-a4fc-94f476b8b961/volume-subpaths/settings/app/0",
        "references non-existent secret key: K",
        "secretName:cart-settings",
        "unknown flag: --password --host db",
        "open --token /run/secrets/token: no such file",
        "bearer token authentication failed",
    ] {
        assert!(
            matches!(scrub(text, &mut Counts::default()), Cow::Borrowed(_)),
            "{}",
            scrubbed(text)
        );
    }
}

#[test]
fn o24_what_one_rule_leaves_may_be_the_key_of_the_next() {
    let once = scrubbed("X-Amz-DateeyJaaaa.bbbb.cccc=password");
    assert_eq!(once, "X-Amz-DateREDACTED=REDACTED");
    assert_eq!(scrubbed(&once), once);
}

/// Pieces that touch each other in every way.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("password".to_owned()),
        Just("token".to_owned()),
        Just("apikey".to_owned()),
        Just("=".to_owned()),
        Just(": ".to_owned()),
        Just("\"".to_owned()),
        Just("\\\"".to_owned()),
        Just("://".to_owned()),
        Just("?".to_owned()),
        Just("@".to_owned()),
        Just("Bearer ".to_owned()),
        Just("eyJaaaa.bbbb.cccc".to_owned()),
        Just("AKIAIOSFODNN7EXAMPLE".to_owned()),
        Just("-----BEGIN KEY-----".to_owned()),
        Just("-----END KEY-----".to_owned()),
        Just("X-Amz-Date".to_owned()),
        Just("sig=".to_owned()),
        Just("Name:A,Value:".to_owned()),
        Just("REDACTED".to_owned()),
        "[a-zA-Z0-9+/]{1,70}",
        ".{0,6}",
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn o24_scrubbing_twice_changes_nothing_more(text in hostile()) {
        let once = scrubbed(&text);
        prop_assert_eq!(scrubbed(&once), once);
    }

    #[test]
    fn o24_a_password_after_its_key_never_survives(
        before in "[ a-z\"]{0,12}", value in "[A-Z0-9]{4,12}", parting in prop_oneof!["=", ":", ": ", "=\""],
    ) {
        let text = format!("{before}password{parting}{value}");
        prop_assume!(!"REDACTED".contains(&value));
        prop_assert!(!scrubbed(&text).contains(&value), "{}", scrubbed(&text));
    }
}
