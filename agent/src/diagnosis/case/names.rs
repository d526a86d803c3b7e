//! The names that headlines and commands of a cause mention: taken from the failure's own words, the
//! pod's specification and the node. What is not known is left out of a sentence, and shown as
//! `<name>` in a command.

use std::collections::BTreeMap;

use super::Seat;
use crate::incident::argument;

/// Placeholder to value.
#[derive(Clone, Debug, Default)]
pub(in crate::diagnosis) struct Names(BTreeMap<&'static str, String>);

/// Values longer than this are no names.
const NAME_BYTES: usize = 300;

impl Names {
    pub(in crate::diagnosis) fn of(seat: &Seat<'_>, texts: &[&str]) -> Self {
        let mut names = Self::default();
        let case = seat.case;
        let pod = seat.pod.map_or(&case.pod, |pod| &pod.pod);
        names.put("ns", pod.namespace.as_deref());
        names.put("pod", pod.name.as_deref());
        names.put("uid", pod.uid.as_deref());
        names.put("container", seat.container);
        let is_init =
            matches!(seat.role(), Some(crate::fact::Role::Init | crate::fact::Role::NativeSidecar));
        names.put("init_container", seat.container.filter(|_| is_init));
        let id = case.details.container_id.as_deref();
        names.put("container_id", id.or_else(|| seat.instance?.id.as_deref()));
        names.put("node", seat.spec.and_then(|spec| spec.node.as_deref()));
        names.put("node", case.host.as_deref());
        names.put("node", seat.world.node.object.as_ref().map(|(node, _)| node.name.as_str()));
        names.put("node", Some(seat.world.name.as_str()));
        names.put("sa", seat.spec.and_then(|spec| spec.service_account.as_deref()));
        for text in texts {
            names.read(text);
        }
        names.put("image", case.details.image.as_deref());
        names.put("image", seat.container_spec().and_then(|it| it.image.as_deref()));
        names.put("image", seat.state.and_then(|it| it.image.as_deref()));
        let registry = names.get("image").and_then(registry_of).map(str::to_owned);
        names.put("registry", registry.as_deref());
        names
    }

    pub(in crate::diagnosis) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The first value stays.
    fn put(&mut self, name: &'static str, value: Option<&str>) {
        let Some(value) = value.map(str::trim) else { return };
        let is_name =
            !value.is_empty() && value.len() <= NAME_BYTES && !value.contains(char::is_whitespace);
        if is_name {
            self.0.entry(name).or_insert_with(|| value.to_owned());
        }
    }

    fn read(&mut self, text: &str) {
        for (name, words) in QUOTED {
            self.put(name, words.iter().find_map(|word| behind(text, word)));
        }
        self.put("image", image_in(text));
        if let Some(object) = object_in(text) {
            let kind = if text.to_lowercase().contains("secret") { "secret" } else { "configmap" };
            self.put(kind, Some(object));
        }
        self.put("plugin", plugin_in(text));
        self.put("driver", driver_in(text));
        if let Some((host, port)) = address_in(text) {
            self.put("server", Some(host));
            self.put("port", port);
            if port == Some("6443") {
                self.put("apiserver", Some(host));
            }
        }
        self.put("path", path_in(text));
    }

    /// A sentence: of what is not known stands what it is; other names vanish, with the quotes
    /// around them.
    pub(in crate::diagnosis) fn sentence(&self, template: &str) -> String {
        let text = self.fill(template, |name| {
            let known = UNNAMED.iter().find(|(unknown, _)| *unknown == name);
            known.map_or_else(String::new, |(_, what)| (*what).to_owned())
        });
        let begins = |(_, what): &(&str, &str)| template.starts_with('{') && text.starts_with(what);
        let text = match text.split_at_checked(1) {
            Some((first, rest)) if UNNAMED.iter().any(begins) => first.to_uppercase() + rest,
            _ => text,
        };
        let text = text.replace("\"\"", "").replace("``", "").replace("()", "").replace("''", "");
        let words: Vec<&str> = text.split_whitespace().collect();
        words.join(" ").replace(" :", ":").replace(" ,", ",").replace(" .", ".")
    }

    /// A command: unknown names show what to put there, and so do those that a shell would act on.
    pub(in crate::diagnosis) fn command(&self, template: &str) -> String {
        let plain = self.0.iter().filter(|(_, value)| !argument(value, "").is_empty());
        let plain = Self(plain.map(|(name, value)| (*name, value.clone())).collect());
        plain.fill(template, |name| format!("<{name}>"))
    }

    fn fill(&self, template: &str, unknown: impl Fn(&str) -> String) -> String {
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('{') {
            out.push_str(before);
            let named = behind.split_once('}').filter(|(name, _)| {
                crate::catalogue::check::PLACEHOLDERS.contains(name)
                    && !before.ends_with(['%', '$'])
            });
            match named {
                Some((name, after)) => {
                    out.push_str(&self.get(name).map_or_else(|| unknown(name), str::to_owned));
                    rest = after;
                }
                None => {
                    out.push('{');
                    rest = behind;
                }
            }
        }
        out.push_str(rest);
        out
    }
}

/// What stands in a sentence for a name that nobody said.
const UNNAMED: &[(&str, &str)] = &[
    ("container", "the container"),
    ("init_container", "the init container"),
    ("image", "the image"),
    ("ns", "its namespace"),
];

/// Words before a quoted name.
const QUOTED: &[(&str, &[&str])] = &[
    ("configmap", &["configmap \"", "configmaps \"", "ConfigMap \""]),
    ("secret", &["secret \"", "secrets \"", "Secret \""]),
    ("pvc", &["persistentvolumeclaim \"", "persistentvolumeclaims \"", "PVC \"", "claim \""]),
    ("pv", &["persistentvolume \"", "PersistentVolume \""]),
    ("sa", &["serviceaccount \"", "serviceaccounts \"", "service account \""]),
];

/// What stands between `word` and the next quote.
fn behind<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(word)?;
    let (name, _) = rest.split_once('"')?;
    // `claims "ns/name"`
    Some(name.rsplit_once('/').map_or(name, |(_, name)| name)).filter(|name| !name.is_empty())
}

/// `object "ns"/"name" not registered`, and `Couldn't get configMap ns/name`.
fn object_in(text: &str) -> Option<&str> {
    if let Some((_, rest)) = text.split_once("object \"") {
        return behind(rest, "/\"");
    }
    let (_, rest) = text
        .split_once("Couldn't get configMap ")
        .or_else(|| text.split_once("Couldn't get secret "))?;
    let (name, _) = rest.split_once(':')?;
    name.rsplit_once('/').map(|(_, name)| name)
}

fn image_in(text: &str) -> Option<&str> {
    [
        "image \"",
        "Image \"",
        "resolve reference \"",
        "PullImage \"",
        "pull image ",
        "image pull failed for ",
    ]
    .iter()
    .find_map(|word| {
        let (_, rest) = text.split_once(word)?;
        let name = rest.split(['"', ' ', ',']).next()?.trim_end_matches([':', ';']);
        (name.contains(['/', ':']) && !name.contains('\\')).then_some(name)
    })
}

/// The host of a reference; none for the short form of Docker Hub.
pub(in crate::diagnosis) fn registry_of(image: &str) -> Option<&str> {
    let (host, _) = image.split_once('/')?;
    let is_host = host.contains(['.', ':']) || host == "localhost";
    Some(if is_host { host } else { "docker.io" })
}

/// `failed to find plugin "x" in path`, `plugin type="x"`, `/opt/cni/bin/x`.
fn plugin_in(text: &str) -> Option<&str> {
    let named = ["plugin \"", "plugin type=\"", "type=\""].iter().find_map(|word| {
        let (_, rest) = text.split_once(word)?;
        rest.split_once('"').map(|(name, _)| name)
    });
    named.or_else(|| {
        let (_, rest) = text.split_once("/opt/cni/bin/")?;
        rest.split([' ', ':', '"', ',']).next()
    })
}

fn driver_in(text: &str) -> Option<&str> {
    ["driver name ", "driver ", "kubernetes.io/csi/"].iter().find_map(|word| {
        let (_, rest) = text.split_once(word)?;
        let name = rest.split([' ', '^', '"', '/', ':', ',']).next()?;
        name.contains('.').then_some(name)
    })
}

/// `dial tcp host:port`, `lookup host on server`.
fn address_in(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some((_, rest)) = text.split_once("dial tcp ") {
        let address = rest.split([' ', '"']).next()?.trim_end_matches(':');
        if let Some((host, port)) = address.rsplit_once(':')
            && !port.is_empty()
            && port.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Some((host, Some(port)));
        }
    }
    let (_, rest) = text.split_once("lookup ")?;
    let host = rest.split([' ', ':']).next()?;
    Some((host, None))
}

/// The first absolute path that is none of a URL.
pub(in crate::diagnosis) fn path_in(text: &str) -> Option<&str> {
    text.split([' ', '"', '\'', '`', '(', ')', '[', ']', '=', ',', ';'])
        .map(|word| word.trim_end_matches([':', '.', '!', '?']))
        .find(|word| word.starts_with('/') && word.len() > 1 && !word.starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Names {
        let mut names = Names::default();
        names.read(text);
        names
    }

    #[test]
    fn names_come_from_the_words_of_the_failure() {
        for (text, name, value) in [
            ("configmap \"web-settings\" not found", "configmap", "web-settings"),
            ("object \"shop\"/\"web-tls\" not registered for secret", "secret", "web-tls"),
            ("failed to find plugin \"bridge\" in path [/opt/cni/bin]", "plugin", "bridge"),
            (
                "failed to resolve reference \"reg.example:5000/a/b:1\": x",
                "image",
                "reg.example:5000/a/b:1",
            ),
            ("dial tcp 10.0.0.5:6443: connect: connection refused", "apiserver", "10.0.0.5"),
            ("dial tcp: lookup reg.example on 10.0.0.2:53: no such host", "server", "reg.example"),
            ("persistentvolumeclaim \"data-0\" not found", "pvc", "data-0"),
            ("stat /etc/app/app.conf: no such file", "path", "/etc/app/app.conf"),
            ("driver name nfs.csi.example not found in the list", "driver", "nfs.csi.example"),
        ] {
            assert_eq!(names(text).get(name), Some(value), "{text}");
        }
    }

    #[test]
    fn a_sentence_is_whole_where_a_name_is_not_known() {
        let unknown = Names::default();
        for (template, whole) in [
            (
                "Secret lacks the key that {container} asks for",
                "Secret lacks the key that the container asks for",
            ),
            ("{container} cannot listen", "The container cannot listen"),
            ("{image} has no variant for this node", "The image has no variant for this node"),
            ("Secret {secret} does not exist", "Secret does not exist"),
        ] {
            assert_eq!(unknown.sentence(template), whole);
        }
    }

    #[test]
    fn unknown_names_vanish_from_sentences_and_show_in_commands() {
        let known = names("configmap \"a\" not found");
        assert_eq!(
            known.sentence("ConfigMap {configmap} of {ns} is missing"),
            "ConfigMap a of its namespace is missing"
        );
        assert_eq!(known.command("kubectl -n {ns} get cm {configmap}"), "kubectl -n <ns> get cm a");
        for hostile in ["a;reboot", "$(reboot)", "`id`", "a'b", "-o=x", "a|b", "a&b", "a>b"] {
            let mut known = Names::default();
            known.put("pod", Some(hostile));
            assert_eq!(known.command("kubectl describe pod {pod}"), "kubectl describe pod <pod>");
        }
        let literal = "kubectl get pod -o jsonpath='{.status.phase}{range .x}{end}'";
        assert_eq!(known.command(literal), literal);
    }

    #[test]
    fn a_registry_is_the_host_of_a_reference() {
        assert_eq!(registry_of("localhost:5000/shop/web:2.0"), Some("localhost:5000"));
        assert_eq!(registry_of("library/nginx"), Some("docker.io"));
        assert_eq!(registry_of("nginx"), None);
    }
}
