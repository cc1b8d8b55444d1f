//! Asking a guest to stop: by hand, or when a deadline passes.
//!
//! A request is noted in the instance's [`Cell`], and the slot's poll page is closed, which compiled code reads. Who polls a
//! suspended call is woken, and ends it.
//! The cell outlives the instance in the handles; the page does not: the cell knows it only while the
//! instance lives, and changes it under its lock.

use crate::poll::Poll;
use crate::timer::{Ticket, Timer};
use hatchery_image::TrapCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
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
        wake(state);
    }

    /// Ends what is running when `after` has passed with [`TrapCode::DeadlineExceeded`]; `None` takes an
    /// earlier deadline back. Where the thread that waits for it cannot be started, it passes at once;
    /// [`start_timer`](crate::start_timer) tells before.
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
    /// Whoever polls the call that is suspended.
    sleeper: Option<Waker>,
}

/// Wakes who polls a suspended call, if there is a reason to end it: without the lock, as a waker may do anything.
fn wake(mut state: MutexGuard<'_, State>) {
    let sleeper = state.reason().and_then(|_| state.sleeper.take());
    drop(state);
    if let Some(sleeper) = sleeper {
        sleeper.wake();
    }
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
                    let again = Timer::global().and_then(|timer| timer.exchange(old, Instant::now() + AGAIN, cell));
                    self.ticket = again.ok();
                }
            }
            None => {
                poll.forget();
                // Where it stays closed, the handler of the next fault tries again.
                self.closed = self.closed && poll.open().is_err();
            }
        }
    }

    /// Has the timer look at the cell at its deadline. Where there is no timer nobody would notice that it passes: so it has.
    fn await_deadline(&mut self, deadline: Instant, cell: &Arc<Cell>) {
        let old = self.ticket.take();
        match Timer::global().and_then(|timer| timer.exchange(old, deadline, cell)) {
            Ok(ticket) => self.ticket = Some(ticket),
            Err(_) => (self.deadline, self.passed) = (None, true),
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
            state.await_deadline(deadline, self);
        }
        state.publish(self);
        wake(state);
    }

    /// Why a call that is suspended is to end; if there is no reason, `sleeper` is woken as soon as there is one.
    pub(crate) fn reason_or_wake(&self, sleeper: &Waker) -> Option<TrapCode> {
        let mut state = self.lock();
        let reason = state.reason();
        let is_known = state.sleeper.as_ref().is_some_and(|known| known.will_wake(sleeper));
        let old = if reason.is_none() && !is_known { state.sleeper.replace(sleeper.clone()) } else { None };
        // Without the lock: it may be the last that keeps a task of the host's, and an instance in that.
        drop(state);
        drop(old);
        reason
    }

    /// No call is suspended any more.
    pub(crate) fn nobody_sleeps(&self) {
        let sleeper = self.lock().sleeper.take();
        drop(sleeper);
    }

    /// The instance is going away. Says whether whoever has the slot next finds the page open.
    pub(crate) fn retire(&self) -> bool {
        // Of a call that was leaked while it was suspended.
        self.nobody_sleeps();
        let mut state = self.lock();
        (state.cancelled, state.passed, state.deadline) = (false, false, None);
        if let Some(ticket) = state.ticket.take()
            && let Ok(timer) = Timer::global()
        {
            timer.forget(ticket);
        }
        let (poll, touched) = (state.poll.take(), state.touched);
        poll.is_none_or(|poll| {
            poll.forget();
            !touched || poll.open().is_ok()
        })
    }

    /// The timer's look at the cell.
    pub(crate) fn look(self: &Arc<Cell>, ticket: Ticket, now: Instant) {
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
            state.publish(self);
        }
        // It was moved since: calls that each set one do not each go to the timer.
        if let (Some(deadline), None) = (state.deadline, state.ticket) {
            state.await_deadline(deadline, self);
        }
        wake(state);
    }
}

#[cfg(test)]
#[expect(unsafe_code, reason = "names pages as a slot's")]
mod tests {
    use super::*;
    use crate::poll::{Polled, REFUSED};
    use crate::timer::{THREADLESS, start_timer};
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

    fn timer() -> &'static Timer {
        Timer::global().expect("no fork")
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

    fn wait_for(poll: &Poll) {
        let start = Instant::now();
        while poll.request().is_none() {
            assert!(start.elapsed() < Duration::from_secs(20), "the guest is never asked to stop");
            std::thread::yield_now();
        }
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

    /// Runs a test in a forked child, which has no timer yet.
    fn in_a_child(test: impl FnOnce(&Arc<Cell>, &Poll)) {
        // SAFETY: the child uses what is its own alone, and ends without running destructors.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| with_cell(test)));
            // SAFETY: ends the process.
            unsafe { libc::_exit(i32::from(outcome.is_err())) };
        }
        let mut status = 1;
        // SAFETY: waits for our own child.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0, "the test fails in the child");
    }

    #[test]
    fn deadlines_pass_in_a_forked_child() {
        // The parent's thread runs.
        with_cell(|cell, poll| {
            cell.set_deadline(Some(Duration::from_millis(1)));
            wait_for(poll);
        });
        in_a_child(|cell, poll| {
            cell.set_deadline(Some(Duration::from_millis(1)));
            wait_for(poll);
        });
    }

    #[test]
    fn a_deadline_that_nobody_would_notice_has_passed() {
        in_a_child(|cell, poll| {
            THREADLESS.store(true, Ordering::SeqCst);
            assert!(start_timer().is_err());
            for _ in 0..2 {
                cell.set_deadline(Some(Duration::from_secs(60)));
                assert_eq!(poll.request(), Some(TrapCode::DeadlineExceeded));
                assert_eq!((cell.reason(), is_open(poll)), (Some(TrapCode::DeadlineExceeded), false));
                cell.answered(TrapCode::DeadlineExceeded);
                assert_eq!((cell.reason(), is_open(poll)), (None, true));
            }
            cell.set_deadline(None);
            assert_eq!(poll.request(), None);
            // As soon as there can be a thread, there is one.
            THREADLESS.store(false, Ordering::SeqCst);
            cell.set_deadline(Some(Duration::from_secs(60)));
            assert_eq!((cell.reason(), poll.request()), (None, None));
            cell.set_deadline(Some(Duration::from_millis(1)));
            wait_for(poll);
        });
    }

    /// Runs a test in a fork of a fork of as many more.
    fn so_many_forks_away(forks: usize, test: &dyn Fn(&Arc<Cell>, &Poll)) {
        in_a_child(|cell, poll| {
            if forks == 0 {
                return test(cell, poll);
            }
            cell.set_deadline(Some(Duration::from_millis(1)));
            wait_for(poll);
            so_many_forks_away(forks - 1, test);
        });
    }

    #[test]
    fn a_deadline_in_the_fork_of_too_many_has_passed() {
        so_many_forks_away(crate::timer::GENERATIONS, &|cell, poll| {
            assert!(start_timer().is_err());
            cell.set_deadline(Some(Duration::from_secs(60)));
            assert_eq!(poll.request(), Some(TrapCode::DeadlineExceeded));
        });
    }

    #[test]
    fn a_deadline_passes_not_before_its_time() {
        with_cell(|cell, poll| {
            // Before it is set: this thread may lose the CPU behind that.
            let start = Instant::now();
            cell.set_deadline(Some(Duration::from_millis(30)));
            wait_for(poll);
            assert!(start.elapsed() >= Duration::from_millis(30));
            assert_eq!(cell.reason(), Some(TrapCode::DeadlineExceeded));
        });
    }

    #[test]
    fn moving_a_deadline_keeps_one_ticket() {
        with_cell(|cell, poll| {
            for _ in 0..1000 {
                cell.set_deadline(Some(Duration::from_secs(60)));
            }
            assert_eq!(timer().tickets_of(cell), 1);
            cell.set_deadline(Some(Duration::from_millis(5)));
            assert_eq!(timer().tickets_of(cell), 1);
            wait_for(poll);
            assert_eq!(timer().tickets_of(cell), 0);
        });
    }

    #[test]
    fn a_deadline_moved_back_passes_at_the_later_time() {
        with_cell(|cell, poll| {
            let start = Instant::now();
            cell.set_deadline(Some(Duration::from_millis(100)));
            cell.set_deadline(Some(Duration::from_millis(150)));
            wait_for(poll);
            assert!(start.elapsed() >= Duration::from_millis(150));
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
        assert_eq!(timer().tickets_of(&handle.0), 0);
        handle.cancel();
        handle.set_deadline(Some(Duration::from_millis(1)));
    }
}
