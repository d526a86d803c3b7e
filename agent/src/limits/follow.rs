//! Bounds of what follows log files, each with its reason.

/// What one look reads of a file at a time.
pub const FOLLOW_CHUNK_BYTES: usize = 64 * 1024;

/// Files of one log that are held open: those that are rotated away while it is read. More than all
/// schemes keep of one log; an open file keeps its blocks on the disk.
pub const FOLLOW_OPEN: usize = 32;

/// Files of one log that are known to be read: as many as a scheme keeps, so that none is read again
/// under another name.
pub const FOLLOW_DONE: usize = 16;

/// How long a file that was rotated away must be quiet before it is let go: the kubelet tells the
/// runtime to reopen right after the rename, logrotate's script may take seconds.
pub const FOLLOW_GRACE: std::time::Duration = std::time::Duration::from_secs(5);

/// How long a deleted file without a successor must be quiet before it is let go: whoever deleted it
/// wanted the space.
pub const FOLLOW_DELETED: std::time::Duration = std::time::Duration::from_secs(60);

/// Rotated files of one log that are looked at, the newest: more than any scheme keeps by default.
pub const ROTATED_FILES: usize = 64;

/// Entries of a folder that are looked at for rotated files: /var/log of an old machine.
pub const ROTATED_LOOKED_AT: usize = 16_384;

/// Logs that one source follows: a node has a handful of its own, and the agents of its network and
/// its volumes.
pub const FOLLOWED_LOGS: usize = 64;

/// How often it is looked whether a followed log is another file now. Writes wake by themselves.
pub const FOLLOW_LOOK: std::time::Duration = std::time::Duration::from_secs(1);

/// The same where the kernel does not wake us.
pub const FOLLOW_LOOK_BY_CLOCK: std::time::Duration = std::time::Duration::from_millis(250);

/// What the first read of a log takes of it, from its end: two hours of a busy kubelet.
pub const FOLLOW_FIRST_BYTES: u64 = 32 * 1024 * 1024;

/// How often the whole tree of pod logs is looked at, beside what the kernel tells: what it told
/// too early.
pub const TREE_RESCAN: std::time::Duration = std::time::Duration::from_secs(30);

/// The same where the kernel tells nothing: 2,500 looks at a folder's time are some 5 ms.
pub const TREE_RESCAN_BY_CLOCK: std::time::Duration = std::time::Duration::from_secs(5);

/// A folder that was changed so long ago has another time when it is changed again: clocks of file
/// systems are as coarse as two seconds.
pub const TREE_SETTLED: std::time::Duration = std::time::Duration::from_secs(3);

/// Containers of one pod whose logs are looked at: init, sidecar and ephemeral ones included.
pub const POD_CONTAINERS: usize = 256;

/// One line of a pod's log, with its frame: a runtime splits at 16 KiB, which docker's escapes may
/// make several times as long.
pub const POD_LINE_BYTES: usize = 128 * 1024;

/// A line of a container, its pieces joined: what of it can matter stands at its beginning.
pub const POD_JOINED_BYTES: usize = 16 * 1024;

/// What the first read of a pod's log takes of it, from its end.
pub const POD_FIRST_BYTES: u64 = 256 * 1024;

/// Lines of one pod's log that are read before the others have their turn.
pub const POD_LINES_PER_LOOK: usize = 4096;

/// Texts of one container that are not told again for a while.
pub const SAID_KNOWN: usize = 32;

/// How long a text that was told is not told again: a failing agent repeats itself every second.
pub const SAID_AGAIN: std::time::Duration = std::time::Duration::from_secs(60);

/// Lines of trouble of one pod's log that are handed on before the others have their turn.
pub const SAID_PER_LOOK: usize = 32;

/// Lines of trouble of one pod's log within [`SAID_AGAIN`], each unlike those before: an agent in the
/// worst of troubles says some hundred things. More are not told, but counted as lost.
pub const SAID_A_WHILE: u32 = 1024;

/// Lines of the node's own agents that are kept beside failures.
pub const WORLD_SAID: usize = 32;

/// Watches of one wake-up that are told apart; beyond it everything is looked at.
pub const WOKEN: usize = 1024;

/// Folders of pods that are looked through for one: a full node's, with those not yet removed.
pub const POD_LOG_FOLDERS: usize = 4096;

/// Files of one container's log folder: five rotated ones (kubelet's default) of a few attempts.
pub const POD_LOG_FILES: usize = 512;

/// Journals that are followed beside the host's, each by a process of its own of some 4 MiB: nodes
/// have one or two namespaces, if any.
pub const OTHER_JOURNALS: usize = 4;

/// How long the position of a journal is kept whose folder is gone: a disk may be mounted again.
pub const POSITION_KEPT: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

/// How often it is looked whether there are more.
pub const OTHER_JOURNALS_LOOK: std::time::Duration = std::time::Duration::from_secs(10);

/// While several sources catch up, no batch reaches over more time than this: so much may come out of
/// order between them. What the kernel says of a killed process precedes what the kubelet says of it
/// by more; live, the journal alone is looked at no more often.
pub const CATCH_UP_SPAN: std::time::Duration = std::time::Duration::from_millis(20);

/// How long a source that catches up waits for the lines of another one that says nothing: longer
/// than a cold disk takes to answer, shorter than anybody waits for the first incident.
pub const CATCH_UP_TURN: std::time::Duration = std::time::Duration::from_secs(10);

/// How long the time of all waits for a source that says nothing: longer than a journal takes to be
/// opened on a cold disk.
pub const SOURCE_SILENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// How long a file system may take to answer one look before it is said that it does not.
pub const FOLLOW_HANGS: std::time::Duration = std::time::Duration::from_secs(5);

/// How long a source may be unable to work before a record says so: readers start anew in less.
pub const SOURCE_TROUBLE: std::time::Duration = std::time::Duration::from_secs(5);

/// How long the start waits to learn whether any followed file is there.
pub const FOLLOW_BEGIN: std::time::Duration = std::time::Duration::from_secs(2);

/// How long the end waits for a source of files: one batch is handed on within it, and a file system
/// that does not answer by then will not.
pub const FOLLOW_END: std::time::Duration = std::time::Duration::from_secs(3);
