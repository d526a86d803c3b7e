//! Images and what is started in them (R41, R53, R54, R85).

use super::{Said, said};
use crate::fact::{Container, Pod};

pub(super) fn judge(pod: &Pod, all: &mut Vec<Said>) {
    for container in &pod.containers {
        let Some(image) = container.image.as_deref().filter(|image| !image.is_empty()) else {
            continue;
        };
        tag(container, image, all);
        shell(container, image, all);
        form(container, image, all);
    }
}

/// R85: a tag that means another image tomorrow.
fn tag(container: &Container, image: &str, all: &mut Vec<Said>) {
    if image.contains('@') {
        return;
    }
    // A colon before the last slash is a port.
    let name = image.rsplit('/').next().unwrap_or(image);
    let tag = name.split_once(':').map(|(_, tag)| tag);
    let (id, text) = match tag {
        None => (
            "image_without_tag",
            format!("image {image} names no tag: it is whatever `latest` is at the next pull"),
        ),
        Some("latest") => (
            "image_latest",
            format!("image {image} is another one after the next pull, on this node or the next"),
        ),
        Some(_) => return,
    };
    all.push(said(id, Some(container), text, "name a version, or better the digest (@sha256:…)"));
}

/// R54: a shell that the image does not have.
fn shell(container: &Container, image: &str, all: &mut Vec<Said>) {
    let program = container.command.first().or(container.args.first()).map(String::as_str);
    let Some(program) = program else { return };
    let is_bash = program == "bash" || program.ends_with("/bash");
    let is_shell = is_bash || program == "sh" || program.ends_with("/sh");
    let has = |word: &str| image.contains(word);
    let (lacks, shell) = if has("distroless") && !has("debug") || has("/scratch") {
        (is_shell, "no shell at all")
    } else if has("alpine") || has("busybox") {
        (is_bash, "sh, but no bash")
    } else {
        (false, "")
    };
    if lacks {
        let text = format!("{program} is to be started, but images like {image} hold {shell}");
        let what = "start the program itself, or a shell that the image has";
        all.push(said("shell_not_in_image", Some(container), text, what));
    }
}

/// R41, R57: one word that holds a whole command line.
fn form(container: &Container, _image: &str, all: &mut Vec<Said>) {
    let Some(first) = container.command.first() else { return };
    let is_line = container.command.len() == 1
        && first.trim().contains(' ')
        && !first.contains('\n')
        && first.starts_with('/');
    if is_line {
        let text = format!(
            "command is one word, `{first}`: the runtime looks for a program of that whole name and \
             finds none"
        );
        let what = "write each argument as an item of its own, or command: [sh, -c, \"…\"]";
        all.push(said("command_in_one_word", Some(container), text, what));
    }
}
