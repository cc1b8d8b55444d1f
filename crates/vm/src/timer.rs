//! The thread that waits for deadlines.

use crate::interrupt::Cell;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A place in the timer's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    pub(crate) at: Instant,
    number: u64,
}

/// Starts the thread that waits for deadlines, unless it runs. Otherwise the first deadline does so.
///
/// # Errors
///
/// The system's; or that too many processes, each a fork of the one before, have had deadlines.
pub fn start_timer() -> io::Result<()> {
    let timer = Timer::global()?;
    timer.start(&mut timer.lock())
}

/// A test wants no thread to be started.
#[cfg(test)]
pub(crate) static THREADLESS: core::sync::atomic::AtomicBool = core::sync::atomic::AtomicBool::new(false);

/// One thread for all deadlines of the process.
///
/// A forked child has neither the thread nor, maybe, the lock, which another thread may have held: it gets a timer of its own.
/// Deadlines that were set before do not pass in the child.
///
/// Locks are taken in the order cell, timer; the thread holds its own only while it looks at its list.
pub(crate) struct Timer {
    process: u32,
    list: Mutex<List>,
    changed: Condvar,
}

/// How many forks, each of the one before, have deadlines.
pub(crate) const GENERATIONS: usize = 16;

#[derive(Default)]
struct List {
    cells: BTreeMap<Ticket, Weak<Cell>>,
    next: u64,
    running: bool,
}

impl Timer {
    /// The process's.
    ///
    /// # Errors
    ///
    /// When it is the fork of too many others.
    pub(crate) fn global() -> io::Result<&'static Timer> {
        static TIMERS: [OnceLock<Timer>; GENERATIONS] = [const { OnceLock::new() }; GENERATIONS];
        let process = std::process::id();
        let new = || Timer { process, list: Mutex::default(), changed: Condvar::new() };
        let mine = TIMERS.iter().map(|timer| timer.get_or_init(new)).find(|timer| timer.process == process);
        mine.ok_or_else(|| io::Error::other(format!("{GENERATIONS} forks, each of the one before, have had deadlines")))
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the thread if it does not run. If that fails, the next one tries again.
    fn start(&'static self, list: &mut List) -> io::Result<()> {
        if list.running {
            return Ok(());
        }
        #[cfg(test)]
        if THREADLESS.load(core::sync::atomic::Ordering::SeqCst) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        std::thread::Builder::new().name("hatchery-timer".into()).spawn(move || self.run())?;
        list.running = true;
        Ok(())
    }

    /// Replaces a ticket by one for this time.
    ///
    /// # Errors
    ///
    /// When there is no thread that would look: there is no ticket then.
    pub(crate) fn exchange(&'static self, old: Option<Ticket>, at: Instant, cell: &Arc<Cell>) -> io::Result<Ticket> {
        let mut list = self.lock();
        if let Some(old) = old {
            list.cells.remove(&old);
        }
        self.start(&mut list)?;
        list.next += 1;
        let ticket = Ticket { at, number: list.next };
        list.cells.insert(ticket, Arc::downgrade(cell));
        let first = list.cells.first_key_value().is_some_and(|(first, _)| *first == ticket);
        drop(list);
        if first {
            self.changed.notify_one();
        }
        Ok(ticket)
    }

    pub(crate) fn forget(&self, ticket: Ticket) {
        self.lock().cells.remove(&ticket);
    }

    fn run(&'static self) {
        loop {
            let (ticket, cell, now) = self.next_due();
            if let Some(cell) = cell.upgrade() {
                cell.look(ticket, now);
            }
        }
    }

    /// Waits until a ticket is due and takes it off the list.
    fn next_due(&self) -> (Ticket, Weak<Cell>, Instant) {
        let mut list = self.lock();
        loop {
            let now = Instant::now();
            let wait = match list.cells.first_key_value() {
                Some((first, _)) if first.at <= now => {
                    let (ticket, cell) = list.cells.pop_first().expect("there is a first");
                    return (ticket, cell, now);
                }
                Some((first, _)) => first.at - now,
                None => Duration::from_secs(3600),
            };
            list = self.changed.wait_timeout(list, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Timer {
    /// Tickets of one cell, for tests.
    #[cfg(test)]
    pub(crate) fn tickets_of(&self, cell: &Arc<Cell>) -> usize {
        self.lock().cells.values().filter(|weak| std::ptr::eq(weak.as_ptr(), Arc::as_ptr(cell))).count()
    }
}
