//! Configurations of images, as `docker inspect`, `crictl inspecti`, `skopeo inspect --config` and
//! the registry print them: what an image starts, as whom, for which processor (R41).

use serde_json::Value;

use super::value::{at, text, word, words};

/// What an image says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Tags and digests that it goes by; none where only the bare configuration was given.
    pub names: Vec<String>,
    /// `amd64`
    pub architecture: Option<String>,
    /// Name or number; empty is root.
    pub user: String,
    /// `ENTRYPOINT`
    pub entrypoint: Vec<String>,
    /// `CMD`
    pub command: Vec<String>,
}

/// More tags or words than these, nobody gives an image.
const MOST: usize = 64;

/// The configuration that an object is, if it is one.
pub(super) fn of(value: &Value) -> Option<Image> {
    // `crictl inspecti` wraps it, and keeps the names beside it.
    let wrapped = at(value, &["info", "imageSpec"]);
    let status = value.get("status");
    let inside = wrapped.unwrap_or(value);
    let key = |lower: &str, upper: &str| {
        inside.get(lower).or_else(|| inside.get(upper)).filter(|value| !value.is_null())
    };
    let config = key("config", "Config")?.as_object()?;
    let architecture = key("architecture", "Architecture")?.as_str().map(word);
    let config = Value::Object(config.clone());
    let mut names = Vec::new();
    for (from, name) in [
        (Some(value), "RepoTags"),
        (Some(value), "RepoDigests"),
        (Some(value), "Id"),
        (status, "repoTags"),
        (status, "repoDigests"),
        (status, "id"),
    ] {
        let Some(from) = from else { continue };
        names.extend(words(from, &[name], MOST));
        names.extend(text(from, &[name]));
    }
    Some(Image {
        names,
        architecture,
        user: text(&config, &["User"]).unwrap_or_default(),
        entrypoint: words(&config, &["Entrypoint"], MOST),
        command: words(&config, &["Cmd"], MOST),
    })
}

/// A namespace's bounds (R88).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Namespace
    pub namespace: String,
    /// Name
    pub name: String,
    /// What it bounds: `requests.memory`, `limits.cpu`, …
    pub bounds: Vec<String>,
}

/// A `ResourceQuota`.
pub(super) fn quota(value: &Value) -> Quota {
    let hard = at(value, &["status", "hard"]).or_else(|| at(value, &["spec", "hard"]));
    let bounds = hard.and_then(Value::as_object).into_iter().flatten().take(MOST);
    Quota {
        namespace: text(value, &["metadata", "namespace"]).unwrap_or_default(),
        name: text(value, &["metadata", "name"]).unwrap_or_default(),
        bounds: bounds.map(|(what, _)| word(what)).collect(),
    }
}

/// The configurations in a list of objects, as `docker inspect` prints it.
pub(super) fn all(value: &Value) -> Vec<Image> {
    value.as_array().into_iter().flatten().take(MOST).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_read_from_each_tool_that_prints_one() {
        let config = r#"{"User":"app","Entrypoint":["/entry"],"Cmd":["serve"]}"#;
        let texts = [
            format!(
                r#"{{"Id":"sha256:1","RepoTags":["shop/web:2"],"Architecture":"amd64","Config":{config}}}"#
            ),
            format!(
                r#"{{"status":{{"id":"sha256:1","repoTags":["shop/web:2"]}},"info":{{"imageSpec":{{"architecture":"amd64","os":"linux","config":{config}}}}}}}"#
            ),
            format!(r#"{{"architecture":"amd64","os":"linux","config":{config},"rootfs":{{}}}}"#),
        ];
        for text in texts {
            let image = of(&serde_json::from_str(&text).unwrap()).unwrap();
            assert_eq!(image.user, "app", "{text}");
            assert_eq!(
                (image.entrypoint, image.command),
                (vec!["/entry".to_owned()], vec!["serve".to_owned()])
            );
            assert_eq!(image.architecture.as_deref(), Some("amd64"));
            assert_eq!(image.names.is_empty(), !text.contains("shop/web:2"));
        }
        let pod = r#"{"kind":"Pod","spec":{"containers":[]}}"#;
        assert_eq!(of(&serde_json::from_str(pod).unwrap()), None);
    }
}
