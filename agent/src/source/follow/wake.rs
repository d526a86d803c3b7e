//! Wakes whoever follows files, by inotify. A wake-up and nothing more: what happened is looked for.
//! Where the kernel refuses (no instance or watch left), looks by the clock have to do.

use std::{
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
};

use super::pulse::Pulse;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What woke us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Woken {
    /// The agent ends.
    pub(crate) is_over: bool,
    /// Watches that something happened to.
    pub(crate) watches: Vec<i32>,
    /// Events were lost: everything has to be looked at.
    pub(crate) has_overrun: bool,
}

/// Waits for the end, for time, and for the kernel's word.
#[derive(Debug)]
pub(crate) struct Wake {
    stopped: OwnedFd,
    pulse: Pulse,
    #[cfg(target_os = "linux")]
    notices: Option<OwnedFd>,
    refused: Option<String>,
}

/// What is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// Names in a folder.
    Names,
    /// Writes to a file.
    Writes,
}

impl Wake {
    /// `stopped` is readable or closed once the agent ends.
    pub(crate) fn new(stopped: OwnedFd) -> Self {
        let pulse = Pulse::default();
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::inotify::{CreateFlags, init};
            match init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) {
                Ok(notices) => Self { stopped, pulse, notices: Some(notices), refused: None },
                Err(error) => Self { stopped, pulse, notices: None, refused: Some(refusal(error)) },
            }
        }
        #[cfg(not(target_os = "linux"))]
        Self { stopped, pulse, refused: Some("this system has no inotify".to_owned()) }
    }

    /// Without the kernel's help: looks by the clock.
    #[cfg(test)]
    pub(crate) fn by_the_clock(stopped: OwnedFd) -> Self {
        Self { notices: None, refused: Some("by order".to_owned()), ..Self::new(stopped) }
    }

    /// Watches a folder or a file; gives the watch's number.
    ///
    /// # Errors
    /// One clause: it is not there, or the kernel has no watch left.
    #[cfg(target_os = "linux")]
    pub(crate) fn watch(&mut self, path: &Path, what: For) -> Result<i32, String> {
        use rustix::fs::inotify::{WatchFlags, add_watch};
        let Some(notices) = &self.notices else {
            return Err(self.refused.clone().unwrap_or_default());
        };
        let flags = match what {
            For::Names => {
                WatchFlags::CREATE
                    | WatchFlags::MOVE
                    | WatchFlags::DELETE
                    | WatchFlags::DELETE_SELF
                    | WatchFlags::MOVE_SELF
                    | WatchFlags::ONLYDIR
                    | WatchFlags::DONT_FOLLOW
            }
            For::Writes => WatchFlags::MODIFY,
        };
        match add_watch(notices, path, flags) {
            Ok(watch) => Ok(watch),
            Err(error) => {
                let why = refusal(error);
                if error == rustix::io::Errno::NOSPC {
                    self.refused = Some(why.clone());
                }
                Err(why)
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn watch(&mut self, _: &Path, _: For) -> Result<i32, String> {
        Err(self.refused.clone().unwrap_or_default())
    }

    /// What the thread asks a file system, for who wants to know whether it comes back.
    pub(crate) const fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Ends a watch. One whose file is gone has ended by itself.
    pub(crate) fn unwatch(&self, watch: i32) {
        #[cfg(target_os = "linux")]
        if let Some(notices) = &self.notices {
            let _ = rustix::fs::inotify::remove_watch(notices, watch);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = watch;
    }

    /// Why looks by the clock have to do.
    pub(crate) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Whether the agent ends, at once.
    pub(crate) fn is_over(&self) -> bool {
        self.poll(std::time::Duration::ZERO, false).is_over
    }

    /// Waits at most this long.
    pub(crate) fn wait(&mut self, most: std::time::Duration) -> Woken {
        let mut woken = self.poll(most, true);
        if !woken.is_over {
            self.drain(&mut woken);
        }
        woken
    }

    /// Waits, and takes no notice of files.
    pub(crate) fn pause(&self, most: std::time::Duration) -> bool {
        self.poll(most, false).is_over
    }

    fn poll(&self, most: std::time::Duration, hears: bool) -> Woken {
        let limit = Timespec::try_from(most).ok();
        let asked = self.pulse.rests();
        let notices = if hears { self.notices() } else { None };
        let is_over = match notices {
            None => {
                let mut one = [PollFd::new(&self.stopped, PollFlags::IN)];
                matches!(poll(&mut one, limit.as_ref()), Ok(1..))
            }
            Some(notices) => {
                let mut both = [
                    PollFd::new(&self.stopped, PollFlags::IN),
                    PollFd::from_borrowed_fd(notices, PollFlags::IN),
                ];
                // Interrupted: as if time had passed.
                let _ = poll(&mut both, limit.as_ref());
                let [stop, _] = &both;
                !stop.revents().is_empty()
            }
        };
        self.pulse.goes_on(asked);
        Woken { is_over, ..Woken::default() }
    }

    #[cfg(target_os = "linux")]
    fn notices(&self) -> Option<BorrowedFd<'_>> {
        self.notices.as_ref().map(|notices| notices.as_fd())
    }

    #[cfg(not(target_os = "linux"))]
    fn notices(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    #[cfg(target_os = "linux")]
    fn drain(&mut self, woken: &mut Woken) {
        use rustix::fs::inotify::{ReadFlags, Reader};
        let Some(notices) = &self.notices else { return };
        let mut buffer = [std::mem::MaybeUninit::<u8>::uninit(); 16 * 1024];
        let mut reader = Reader::new(notices, &mut buffer);
        // Until it would block. One event too many is one look too many.
        while let Ok(event) = reader.next() {
            woken.has_overrun |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
            if woken.watches.last() != Some(&event.wd()) {
                woken.watches.push(event.wd());
            }
            if woken.watches.len() > crate::limits::WOKEN {
                woken.watches.clear();
                woken.has_overrun = true;
            }
        }
        woken.watches.sort_unstable();
        woken.watches.dedup();
    }

    #[cfg(not(target_os = "linux"))]
    fn drain(&mut self, _: &mut Woken) {}
}

fn refusal(error: rustix::io::Errno) -> String {
    use rustix::io::Errno;
    match error {
        Errno::NOSPC => {
            "no inotify watch is left (fs.inotify.max_user_watches); files are looked at by the clock"
                .to_owned()
        }
        Errno::MFILE => {
            "no inotify instance is left (fs.inotify.max_user_instances); files are looked at by the clock"
                .to_owned()
        }
        other => format!("{other}; files are looked at by the clock"),
    }
}
