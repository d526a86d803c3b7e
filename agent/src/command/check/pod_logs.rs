//! Whether the folder of container logs can be followed, and how.

use super::{Finding, Status};
use crate::{app, config, limits, source::pod_logs};

const NAME: &str = "pod logs";

pub(super) fn look(config: &config::Config) -> Vec<Finding> {
    if !config.pod_logs.enabled {
        return vec![Finding::new(NAME, Status::Ok, "not followed: pod_logs.enabled is false")];
    }
    let followed = app::pod_logs_config(config);
    let place = followed.root.display();
    let seen = match pod_logs::probe::look(&followed) {
        Ok(seen) => seen,
        Err(error) => {
            return vec![Finding::degraded(
                NAME,
                format!("{place}: {error}"),
                "mount it read-only and add DAC_READ_SEARCH, or set evidence.pod_logs",
            )];
        }
    };
    let pods = format!(
        "{place}: {} pods, {} containers, {} of them read as they grow",
        seen.pods, seen.containers, seen.followed
    );
    let finding = if let Some(denied) = &seen.denied {
        let fix = "add DAC_READ_SEARCH (or run as root): folders that cannot be read tell nothing";
        Finding::degraded(NAME, format!("{pods}; {denied}"), fix)
    } else if let Some(why) = &seen.unwatched {
        let every = limits::TREE_RESCAN_BY_CLOCK.as_secs();
        let what = format!("{pods}; looked at every {every} s: {why}");
        let fix = "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances on the node";
        Finding::degraded(NAME, what, fix)
    } else {
        Finding::ok(NAME, format!("{pods}; changes are told by inotify"))
    };
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_containers_and_what_is_read_of_them_are_counted() {
        const UID: &str = "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21";
        let folder = tempfile::tempdir().unwrap();
        let mut config = config::Config::default();
        config.evidence.pod_logs = folder.path().join("pods");
        let told = |config: &config::Config| {
            let all = look(config);
            assert_eq!(all.len(), 1);
            (all[0].status, all[0].what.replace(&folder.path().display().to_string(), ""))
        };
        assert_eq!(told(&config).0, Status::Degraded);
        for (pod, container) in [
            (format!("kube-system_kube-proxy-x7_{UID}"), "kube-proxy"),
            (format!("shop_web-0_{UID}"), "app"),
            (format!("shop_web-0_{UID}"), "init"),
            ("lost+found".to_owned(), "none"),
        ] {
            let place = config.evidence.pod_logs.join(pod).join(container);
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join("0.log"), "").unwrap();
        }
        let expected = "/pods: 2 pods, 3 containers, 1 of them read as they grow";
        let (status, what) = told(&config);
        assert!(what.starts_with(expected), "{what}");
        // Where the machine has no watch left, that is what is said.
        assert_eq!(status == Status::Ok, what.ends_with("; changes are told by inotify"), "{what}");
        config.pod_logs.enabled = false;
        assert_eq!(told(&config).1, "not followed: pod_logs.enabled is false");
    }
}
