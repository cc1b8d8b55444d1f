//! Waiting until one of several descriptors is ready, for a bounded time.

use super::Result;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interest {
    /// Until something can be read, or the end is reached.
    Read,
    /// Until something can be written, or nobody reads any more.
    Write,
}

/// What a descriptor was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Not ready.
    No,
    /// The operation would not block.
    Yes,
    /// The operation would not block, and the other side is gone.
    HungUp,
}

/// A descriptor and what it is watched for.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'fd> {
    /// The descriptor.
    pub fd: BorrowedFd<'fd>,
    /// What for.
    pub interest: Interest,
}

/// Waits at most `timeout` until one of the descriptors is ready, and says how each was found. A signal ends the
/// waiting early, with none ready. With nothing to watch it sleeps.
///
/// # Errors
///
/// When the system has no memory for it, or more descriptors are watched than a process may open.
pub fn wait(watches: &[Watch<'_>], timeout: Duration) -> Result<Vec<Ready>> {
    let (mut fds, entries) = entries(watches);
    match poll(&mut fds, Some(&timespec(timeout))) {
        Ok(_) => Ok(watches.iter().zip(entries).map(|(watch, entry)| ready(&fds[entry], watch)).collect()),
        Err(Errno::INTR) => Ok(vec![Ready::No; watches.len()]),
        Err(errno) => Err(errno.into()),
    }
}

/// What the system is asked, and which entry of it each watch is. It takes no more entries than there may be descriptors,
/// so each descriptor is one of them, however often it is watched and for whatever.
fn entries<'fd>(watches: &[Watch<'fd>]) -> (Vec<PollFd<'fd>>, Vec<usize>) {
    let (mut asked, mut known) = (Vec::<(BorrowedFd<'fd>, PollFlags)>::new(), HashMap::new());
    let entry = |watch: &Watch<'fd>| match known.entry(watch.fd.as_raw_fd()) {
        Entry::Occupied(known) => {
            let entry: usize = *known.get();
            asked[entry].1 |= flags(watch);
            entry
        }
        Entry::Vacant(new) => {
            asked.push((watch.fd, flags(watch)));
            *new.insert(asked.len() - 1)
        }
    };
    let entries = watches.iter().map(entry).collect();
    (asked.into_iter().map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)).collect(), entries)
}

fn flags(watch: &Watch<'_>) -> PollFlags {
    match watch.interest {
        Interest::Read => PollFlags::IN,
        Interest::Write => PollFlags::OUT,
    }
}

fn timespec(timeout: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    }
}

/// An error counts as ready: the operation itself will then report it.
fn ready(fd: &PollFd<'_>, watch: &Watch<'_>) -> Ready {
    let found = fd.revents();
    if found.contains(PollFlags::HUP) {
        Ready::HungUp
    } else if found.intersects(flags(watch) | PollFlags::ERR | PollFlags::NVAL) {
        Ready::Yes
    } else {
        Ready::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::time::Instant;

    #[test]
    fn a_pipe_becomes_readable_and_then_hangs_up() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let look = || {
            let watches = [
                Watch { fd: read.as_fd(), interest: Interest::Read },
                Watch { fd: read.as_fd(), interest: Interest::Read },
            ];
            wait(&watches, Duration::ZERO).unwrap()[1]
        };
        assert_eq!(look(), Ready::No);
        rustix::io::write(&write, b"x").unwrap();
        assert_eq!(look(), Ready::Yes);
        drop(write);
        assert_eq!(look(), Ready::HungUp);
    }

    #[test]
    fn a_descriptor_is_watched_more_often_than_there_may_be_descriptors() {
        let may_be = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let often = may_be.map_or(1 << 20, |count| count.min(1 << 20)) as usize + 1;
        let (read, write) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&write, b"x").unwrap();
        let watches = vec![Watch { fd: read.as_fd(), interest: Interest::Read }; often];
        assert_eq!(wait(&watches, Duration::ZERO).unwrap(), vec![Ready::Yes; often]);
    }

    #[test]
    fn a_descriptor_that_is_watched_both_ways_is_one_entry_with_an_answer_each() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let both = [Interest::Read, Interest::Write].map(|interest| Watch { fd: ours.as_fd(), interest });
        assert_eq!(entries(&both).0.len(), 1);
        assert_eq!(wait(&both, Duration::ZERO).unwrap(), [Ready::No, Ready::Yes]);
        rustix::io::write(&theirs, b"x").unwrap();
        assert_eq!(wait(&both, Duration::ZERO).unwrap(), [Ready::Yes; 2]);
    }

    #[test]
    fn watching_nothing_sleeps() {
        let start = Instant::now();
        assert!(wait(&[], Duration::from_millis(5)).unwrap().is_empty());
        assert!(start.elapsed() >= Duration::from_millis(5));
    }
}
