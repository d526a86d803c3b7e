//! Whether a command of a cause changes something: people paste it in the night, so it only looks.
//! Compares words, not texts: options may stand anywhere. Owns the table; refusing is `check`'s.

/// A program, and by which words it changes something.
struct Program {
    names: &'static [&'static str],
    /// Options before the word that take the word behind them.
    valued: &'static [&'static str],
    /// Its own word, or that and the one behind it.
    changes: &'static [&'static str],
}

const PROGRAMS: [Program; 5] = [
    Program {
        names: &["kubectl", "oc"],
        valued: &[
            "-n",
            "--namespace",
            "-s",
            "--server",
            "-v",
            "--as",
            "--as-group",
            "--as-uid",
            "--certificate-authority",
            "--client-certificate",
            "--client-key",
            "--cluster",
            "--context",
            "--kubeconfig",
            "--request-timeout",
            "--tls-server-name",
            "--token",
            "--user",
        ],
        changes: &[
            "annotate",
            "apply",
            "autoscale",
            "certificate approve",
            "certificate deny",
            "cordon",
            "create",
            "delete",
            "drain",
            "edit",
            "expose",
            "label",
            "patch",
            "replace",
            "rollout pause",
            "rollout restart",
            "rollout resume",
            "rollout undo",
            "scale",
            "set",
            "taint",
            "uncordon",
        ],
    },
    Program {
        names: &["crictl"],
        valued: &[
            "-c",
            "--config",
            "-i",
            "--image-endpoint",
            "-r",
            "--runtime-endpoint",
            "-t",
            "--timeout",
        ],
        changes: &["create", "rm", "rmi", "rmp", "run", "runp", "start", "stop", "stopp", "update"],
    },
    Program {
        names: &["ctr", "nerdctl", "docker", "podman"],
        valued: &["-a", "--address", "-n", "--namespace", "-H", "--host", "-c", "--context"],
        changes: &[
            "containers rm",
            "containers delete",
            "container rm",
            "image rm",
            "images rm",
            "images delete",
            "image prune",
            "images prune",
            "kill",
            "restart",
            "rm",
            "rmi",
            "start",
            "stop",
            "system prune",
            "tasks kill",
            "tasks rm",
            "tasks delete",
        ],
    },
    Program {
        names: &["systemctl"],
        valued: &["-H", "--host", "-M", "--machine", "-s", "--signal", "-t", "--type"],
        changes: &[
            "daemon-reexec",
            "daemon-reload",
            "disable",
            "enable",
            "kill",
            "mask",
            "poweroff",
            "reboot",
            "reload",
            "reload-or-restart",
            "reset-failed",
            "restart",
            "start",
            "stop",
            "try-restart",
            "unmask",
        ],
    },
    Program { names: &["rm", "reboot", "mkfs", "pkill", "kill"], valued: &[], changes: &[""] },
];

/// Behind these stands the name of a program, not a word of another one's.
const LEADS: [&str; 6] = ["--", "-exec", "exec", "sudo", "time", "xargs"];
/// What ends a command, if it does not stand in quotes.
const ENDS: [char; 7] = [';', '|', '&', '(', ')', '`', '\n'];

/// What it does that changes something, such as `kubectl delete`; `None`: it only looks.
pub(super) fn change(command: &str) -> Option<String> {
    unquoted(command).split(ENDS).find_map(|simple| {
        let words: Vec<&str> = simple.split_whitespace().collect();
        // What is only tried changes nothing.
        if words.iter().any(|word| word.starts_with("--dry-run") && *word != "--dry-run=none") {
            return None;
        }
        (0..words.len()).find_map(|at| changed(&words, at))
    })
}

/// The words without their quotes. Behind `-c` a shell's own commands stand in them, elsewhere text.
fn unquoted(command: &str) -> String {
    let mut out = String::new();
    let mut rest = command;
    while let Some(at) = rest.find(['\'', '"']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let quote = if from.starts_with('"') { '"' } else { '\'' };
        let body = from.strip_prefix(quote).unwrap_or_default();
        let (inside, behind) = body.split_once(quote).unwrap_or((body, ""));
        if out.trim_end().ends_with(" -c") {
            out.push_str("; ");
            out.push_str(&unquoted(inside));
        } else {
            out.extend(inside.chars().map(|c| if ENDS.contains(&c) { '_' } else { c }));
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// What the program at this place changes, if one stands there.
fn changed(words: &[&str], at: usize) -> Option<String> {
    let (before, rest) = words.split_at_checked(at)?;
    let (first, behind) = rest.split_first()?;
    let name = first.rsplit('/').next().unwrap_or(first);
    let program = PROGRAMS.iter().find(|program| program.names.contains(&name))?;
    if program.changes == [""] {
        let is_led = match before {
            [] | [.., "chroot", _] => true,
            [.., lead] => LEADS.contains(lead),
        };
        return is_led.then(|| name.to_owned());
    }
    let mut own = behind.iter().copied();
    let mut next = || {
        while let Some(word) = own.next() {
            if program.valued.contains(&word) {
                own.next();
            } else if !word.starts_with('-') {
                return Some(word);
            }
        }
        None
    };
    let verb = next()?;
    let both = next().map(|object| format!("{verb} {object}"));
    let is_it = |change: &&&str| **change == verb || both.as_deref() == Some(**change);
    program.changes.iter().find(is_it).map(|change| format!("{name} {change}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_known_wherever_its_options_stand() {
        for (command, told) in [
            ("kubectl delete pod {pod}", "kubectl delete"),
            ("kubectl -n {ns} delete pod {pod}", "kubectl delete"),
            (
                "kubectl --context=a --namespace {ns} rollout -n x restart deploy/web",
                "kubectl rollout restart",
            ),
            ("kubectl get pod; kubectl --as admin -n {ns} patch pvc x -p '{}'", "kubectl patch"),
            ("kubectl debug node/{node} -- chroot /host sh -c 'crictl rmi --prune'", "crictl rmi"),
            ("kubectl debug node/{node} -- chroot /host crictl -t 10s rm -f x", "crictl rm"),
            ("crictl ps -q | xargs crictl stop", "crictl stop"),
            ("sudo systemctl --no-block restart kubelet", "systemctl restart"),
            ("ctr -n k8s.io images rm x", "ctr images rm"),
            ("/usr/bin/rm -rf /var/lib/x", "rm"),
            ("chroot /host sh -c \"df -h; rm /var/lib/x\"", "rm"),
            ("chroot /host rm -r /var/lib/x", "rm"),
            ("kubectl drain {node} --dry-run=none", "kubectl drain"),
        ] {
            assert_eq!(change(command).as_deref(), Some(told), "{command}");
        }
    }

    #[test]
    fn what_looks_may_name_what_changes() {
        for command in [
            "kubectl cordon {node} --dry-run=server",
            "kubectl -n delete get pod {pod}",
            "kubectl -n {ns} get events --field-selector reason=delete",
            "kubectl -n {ns} rollout history deployment/web",
            "kubectl -n {ns} logs {pod} -c delete --previous",
            "kubectl debug node/{node} -it --image=busybox:1.36 -- chroot /host sh -c 'systemctl status containerd; crictl images | grep rm'",
            "ctr -n k8s.io images check",
            "journalctl -u kubelet | grep -i kill",
            "kubectl debug node/{node} -- chroot /host sh -c 'dmesg | grep -iE \"oom|kill\" | tail'",
            "kubectl -n {ns} logs {pod} -c rm",
        ] {
            assert_eq!(change(command), None, "{command}");
        }
    }
}
