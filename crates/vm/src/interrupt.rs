//! Asking a guest to stop: by hand, or when a deadline passes.
//!
//! A request is noted in the instance's [`Cell`], and the slot's poll page is closed, which compiled code reads.
//! The cell outlives the instance in the handles; the page does not: the cell knows it only while the
//! instance lives, and changes it under its lock.

use crate::poll::Poll;
use hatchery_image::TrapCode;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Asks an instance to stop, from any thread, also after the instance is gone.
#[derive(Debug, Clone)]
pub struct InterruptHandle(pub(crate) Arc<Cell>);

impl InterruptHandle {
    /// Ends the running call, or the next one, with [`TrapCode::Cancelled`]. All calls on the instance's stack
    /// end; then the request is forgotten.
    pub fn cancel(&self) {
        let mut state = self.0.lock();
        state.cancelled = true;
        state.publish(&self.0);
    }

    /// Ends what is running when `after` has passed with [`TrapCode::DeadlineExceeded`]; `None` takes an
    /// earlier deadline back.
    pub fn set_deadline(&self, after: Option<Duration>) {
        self.0.set_deadline(after);
    }
}

/// What is asked of one instance.
#[derive(Debug)]
pub(crate) struct Cell {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The page, while the instance lives.
    poll: Option<Poll>,
    /// Whether the page may be closed.
    closed: bool,
    /// Whether it ever was.
    touched: bool,
    cancelled: bool,
    passed: bool,
    deadline: Option<Instant>,
    /// When the timer looks at this cell next.
    ticket: Option<Ticket>,
}

/// How long until it is tried again to close a page that the kernel did not close.
const AGAIN: Duration = Duration::from_millis(5);

impl State {
    fn reason(&self) -> Option<TrapCode> {
        if self.cancelled { Some(TrapCode::Cancelled) } else { self.passed.then_some(TrapCode::DeadlineExceeded) }
    }

    /// Makes the page say what the state is.
    fn publish(&mut self, cell: &Arc<Cell>) {
        let Some(poll) = self.poll else { return };
        match self.reason() {
            Some(code) => {
                (self.closed, self.touched) = (true, true);
                if poll.close(code).is_err() {
                    let old = self.ticket.take();
                    self.ticket = Some(Timer::global().exchange(old, Instant::now() + AGAIN, cell));
                }
            }
            None => {
                poll.forget();
                // Where it stays closed, the handler of the next fault tries again.
                self.closed = self.closed && poll.open().is_err();
            }
        }
    }
}

impl Cell {
    /// A cell for the instance with this page, which is there until [`retire`](Self::retire) was called.
    pub(crate) fn new(poll: Poll) -> Arc<Cell> {
        let state = State { poll: Some(poll), ..State::default() };
        Arc::new(Cell { state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the guest is to stop, if it is.
    pub(crate) fn reason(&self) -> Option<TrapCode> {
        self.lock().reason()
    }

    /// The outermost call ended because of a request: it is answered. A deadline that was set since another one passed is for
    /// what comes next.
    pub(crate) fn answered(self: &Arc<Cell>, code: TrapCode) {
        let mut state = self.lock();
        state.cancelled = false;
        state.passed = false;
        if code != TrapCode::DeadlineExceeded {
            state.deadline = None;
        }
        state.publish(self);
    }

    pub(crate) fn set_deadline(self: &Arc<Cell>, after: Option<Duration>) {
        let mut state = self.lock();
        if state.poll.is_none() {
            return;
        }
        state.passed = false;
        // A deadline beyond what the clock can tell is none.
        state.deadline = after.and_then(|after| Instant::now().checked_add(after));
        if let Some(deadline) = state.deadline
            && state.ticket.is_none_or(|ticket| deadline < ticket.at)
        {
            let old = state.ticket.take();
            state.ticket = Some(Timer::global().exchange(old, deadline, self));
        }
        state.publish(self);
    }

    /// The instance is going away. Says whether whoever has the slot next finds the page open.
    pub(crate) fn retire(&self) -> bool {
        let mut state = self.lock();
        (state.cancelled, state.passed, state.deadline) = (false, false, None);
        if let Some(ticket) = state.ticket.take() {
            Timer::global().forget(ticket);
        }
        let (poll, touched) = (state.poll.take(), state.touched);
        poll.is_none_or(|poll| {
            poll.forget();
            !touched || poll.open().is_ok()
        })
    }

    /// The timer's look at the cell; gives the time of the next one.
    fn look(&self, ticket: Ticket, now: Instant, timer: &'static Timer, this: &Arc<Cell>) {
        let mut state = self.lock();
        if state.ticket == Some(ticket) {
            state.ticket = None;
        }
        if state.deadline.is_some_and(|deadline| deadline <= now) {
            state.deadline = None;
            state.passed = true;
        }
        if state.reason().is_some() {
            // Also where the page could not be closed the last time. If it cannot be now, there is a ticket again.
            state.publish(this);
        }
        // It was moved since: calls that each set one do not each go to the timer.
        if let (Some(deadline), None) = (state.deadline, state.ticket) {
            state.ticket = Some(timer.exchange(None, deadline, this));
        }
    }
}

/// A place in the timer's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket {
    at: Instant,
    number: u64,
}

/// One thread for all deadlines of the process, started by the first.
///
/// A forked child has neither the thread nor, maybe, the lock, which another thread may have held: it gets a timer of its own.
/// Deadlines that were set before do not pass in the child.
///
/// Locks are taken in the order cell, timer; the thread holds its own only while it looks at its list.
struct Timer {
    process: u32,
    list: Mutex<List>,
    changed: Condvar,
}

/// How many forks, each of the one before, have deadlines.
const GENERATIONS: usize = 16;

#[derive(Default)]
struct List {
    cells: BTreeMap<Ticket, Weak<Cell>>,
    next: u64,
    running: bool,
}

impl Timer {
    fn global() -> &'static Timer {
        static TIMERS: [OnceLock<Timer>; GENERATIONS] = [const { OnceLock::new() }; GENERATIONS];
        let process = std::process::id();
        let new = || Timer { process, list: Mutex::default(), changed: Condvar::new() };
        let [first, later @ ..] = &TIMERS;
        let first = first.get_or_init(new);
        let mut others = later.iter().map(|timer| timer.get_or_init(new));
        if first.process == process { first } else { others.find(|timer| timer.process == process).unwrap_or(first) }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces a ticket by one for this time.
    fn exchange(&'static self, old: Option<Ticket>, at: Instant, cell: &Arc<Cell>) -> Ticket {
        let mut list = self.lock();
        if let Some(old) = old {
            list.cells.remove(&old);
        }
        list.next += 1;
        let ticket = Ticket { at, number: list.next };
        list.cells.insert(ticket, Arc::downgrade(cell));
        if !list.running {
            // Without a thread the deadline would pass unnoticed; the next one tries again.
            let thread = std::thread::Builder::new().name("hatchery-timer".into());
            list.running = thread.spawn(move || self.run()).is_ok();
        }
        let first = list.cells.first_key_value().is_some_and(|(first, _)| *first == ticket);
        drop(list);
        if first {
            self.changed.notify_one();
        }
        ticket
    }

    fn forget(&self, ticket: Ticket) {
        self.lock().cells.remove(&ticket);
    }

    fn run(&'static self) {
        loop {
            let (ticket, cell, now) = self.next_due();
            if let Some(cell) = cell.upgrade() {
                cell.look(ticket, now, self, &cell);
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
    fn tickets_of(&self, cell: &Arc<Cell>) -> usize {
        self.lock().cells.values().filter(|weak| std::ptr::eq(weak.as_ptr(), Arc::as_ptr(cell))).count()
    }
}

#[cfg(test)]
#[expect(unsafe_code, reason = "names pages as a slot's")]
mod tests {
    use super::*;
    use crate::poll::{Polled, REFUSED};
    use core::sync::atomic::Ordering;
    use hatchery_image::abi::HEADER_BYTES;
    use std::ptr::NonNull;

    /// Runs a test with a cell for a poll page and a header page.
    fn with_cell(test: impl FnOnce(&Arc<Cell>, &Poll)) {
        let pages = memmap2::MmapMut::map_anon(HEADER_BYTES).expect("two pages");
        // SAFETY: both stay mapped until the cell is retired.
        let poll = unsafe { Poll::new(NonNull::from(&pages[0])) };
        let cell = Cell::new(poll);
        test(&cell, &poll);
        assert!(cell.retire(), "the page can be opened");
        assert_eq!(pages[..], [0; HEADER_BYTES], "whoever is next finds both pages as they were");
    }

    /// Whether the page can be read, as the kernel has it.
    fn is_open(poll: &Poll) -> bool {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("the kernel's list");
        let access = maps.lines().find_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (start, end) = range.split_once('-')?;
            let at = |text| usize::from_str_radix(text, 16).ok();
            (at(start)?..at(end)?).contains(&poll.address()).then(|| rest.starts_with('r'))
        });
        access.expect("the page is mapped")
    }

    fn wait_for(poll: &Poll) -> Duration {
        let start = Instant::now();
        while poll.request().is_none() {
            assert!(start.elapsed() < Duration::from_secs(20), "the guest is never asked to stop");
            std::thread::yield_now();
        }
        start.elapsed()
    }

    #[test]
    fn a_cancel_is_seen_and_answered() {
        with_cell(|cell, poll| {
            InterruptHandle(cell.clone()).cancel();
            assert_eq!(poll.request(), Some(TrapCode::Cancelled));
            assert_eq!(cell.reason(), Some(TrapCode::Cancelled));
            assert_eq!((poll.judge_fault(), is_open(poll)), (Polled::Stop(TrapCode::Cancelled), false));
            cell.answered(TrapCode::Cancelled);
            assert_eq!((cell.reason(), poll.request(), is_open(poll)), (None, None, true));
        });
    }

    #[test]
    fn a_page_that_stayed_closed_is_opened_by_whoever_reads_it() {
        with_cell(|_, poll| {
            poll.close(TrapCode::Cancelled).expect("closed");
            poll.forget();
            assert!(!is_open(poll));
            assert_eq!((poll.judge_fault(), is_open(poll)), (Polled::GoOn, true));
        });
    }

    #[test]
    fn a_page_that_could_not_be_closed_is_closed_soon_whatever_the_deadline() {
        for deadline in [None, Some(Duration::from_secs(60))] {
            with_cell(|cell, poll| {
                cell.set_deadline(deadline);
                REFUSED.store(poll.address(), Ordering::SeqCst);
                InterruptHandle(cell.clone()).cancel();
                assert_eq!(poll.request(), Some(TrapCode::Cancelled), "host functions see it at once");
                assert!(is_open(poll));
                REFUSED.store(0, Ordering::SeqCst);
                let start = Instant::now();
                while is_open(poll) {
                    assert!(start.elapsed() < Duration::from_secs(20), "the page is never closed");
                    std::thread::yield_now();
                }
            });
        }
    }

    #[test]
    fn a_deadline_that_is_set_while_another_one_ends_the_call_is_kept() {
        with_cell(|cell, poll| {
            cell.set_deadline(Some(Duration::from_nanos(1)));
            wait_for(poll);
            cell.set_deadline(Some(Duration::from_millis(20)));
            cell.answered(TrapCode::DeadlineExceeded);
            wait_for(poll);
            assert_eq!(cell.reason(), Some(TrapCode::DeadlineExceeded));
        });
    }

    #[test]
    fn deadlines_pass_in_a_forked_child() {
        // The parent's thread runs.
        with_cell(|cell, poll| {
            cell.set_deadline(Some(Duration::from_millis(1)));
            wait_for(poll);
        });
        // SAFETY: the child uses what is its own alone, and ends without running destructors.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let outcome = std::panic::catch_unwind(|| {
                with_cell(|cell, poll| {
                    cell.set_deadline(Some(Duration::from_millis(1)));
                    wait_for(poll);
                });
            });
            // SAFETY: ends the process.
            unsafe { libc::_exit(i32::from(outcome.is_err())) };
        }
        let mut status = 1;
        // SAFETY: waits for our own child.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0, "no deadline passes in the child");
    }

    #[test]
    fn a_deadline_passes_not_before_its_time() {
        with_cell(|cell, poll| {
            cell.set_deadline(Some(Duration::from_millis(30)));
            assert!(wait_for(poll) >= Duration::from_millis(29));
            assert_eq!(cell.reason(), Some(TrapCode::DeadlineExceeded));
        });
    }

    #[test]
    fn moving_a_deadline_keeps_one_ticket() {
        with_cell(|cell, poll| {
            for _ in 0..1000 {
                cell.set_deadline(Some(Duration::from_secs(60)));
            }
            assert_eq!(Timer::global().tickets_of(cell), 1);
            cell.set_deadline(Some(Duration::from_millis(5)));
            assert_eq!(Timer::global().tickets_of(cell), 1);
            wait_for(poll);
            assert_eq!(Timer::global().tickets_of(cell), 0);
        });
    }

    #[test]
    fn a_deadline_moved_back_passes_at_the_later_time() {
        with_cell(|cell, poll| {
            cell.set_deadline(Some(Duration::from_millis(10)));
            cell.set_deadline(Some(Duration::from_millis(80)));
            assert!(wait_for(poll) >= Duration::from_millis(79));
        });
    }

    #[test]
    fn a_deadline_taken_back_does_not_pass() {
        with_cell(|cell, poll| {
            cell.set_deadline(Some(Duration::from_millis(5)));
            cell.set_deadline(None);
            std::thread::sleep(Duration::from_millis(30));
            assert_eq!((cell.reason(), poll.request()), (None, None));
        });
    }

    #[test]
    fn a_handle_outlives_its_instance() {
        let mut kept = None;
        with_cell(|cell, _| {
            cell.set_deadline(Some(Duration::from_secs(60)));
            kept = Some(InterruptHandle(cell.clone()));
        });
        let handle = kept.expect("kept");
        assert_eq!(Timer::global().tickets_of(&handle.0), 0);
        handle.cancel();
        handle.set_deadline(Some(Duration::from_millis(1)));
    }
}
