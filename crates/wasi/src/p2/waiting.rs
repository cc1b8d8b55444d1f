//! The two ways in which a guest waits: the host's thread sleeps, or the guest's stack is put aside.
//!
//! A function that may have to wait is called until it is done. In between it says what to wait for, so that how that is
//! done is decided here alone.

use super::Host;
use super::poll::{Pollable, look, time_left};
use crate::WasiCtx;
use crate::host::Interest;
use async_io::{Async, Timer};
use hatchery::Error;
use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// How far a function got.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// To the end.
    Done(T),
    /// It goes on when one of these is ready.
    Wait(Vec<Pollable>),
}

impl<T> Step<T> {
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Step<U> {
        match self {
            Step::Done(value) => Step::Done(change(value)),
            Step::Wait(pollables) => Step::Wait(pollables),
        }
    }
}

/// The longest the host's thread sleeps without asking whether the guest is still wanted, and a guest without looking again
/// where nothing can wake it.
const SLICE: Duration = Duration::from_millis(10);

/// Takes all steps on this thread, which sleeps in between.
pub(crate) fn blocking<T>(
    host: &mut impl Host,
    mut step: impl FnMut(&mut WasiCtx) -> Result<Step<T>, Error>,
) -> Result<T, Error> {
    loop {
        host.still_wanted()?;
        match step(host.ctx())? {
            Step::Done(value) => return Ok(value),
            Step::Wait(pollables) => sleep(host, &pollables)?,
        }
    }
}

/// Sleeps until one is ready.
fn sleep(host: &mut impl Host, pollables: &[Pollable]) -> Result<(), Error> {
    loop {
        let slice = time_left(host.ctx(), pollables).map_or(SLICE, |left| left.min(SLICE));
        if !look(host.ctx(), pollables, slice)?.is_empty() {
            return Ok(());
        }
        host.still_wanted()?;
    }
}

/// Takes all steps, on whichever threads the future is polled; none of them sleeps.
pub(crate) async fn suspending<T>(
    mut host: impl Host,
    mut step: impl FnMut(&mut WasiCtx) -> Result<Step<T>, Error>,
) -> Result<T, Error> {
    loop {
        host.still_wanted()?;
        match step(host.ctx())? {
            Step::Done(value) => return Ok(value),
            Step::Wait(pollables) => {
                let left = time_left(host.ctx(), &pollables);
                one_of(left, &pollables).await;
            }
        }
    }
}

/// What is awaited for a pollable.
type Event = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Until a time has passed or a descriptor is ready. It may be early: whoever waits looks again.
async fn one_of(left: Option<Duration>, pollables: &[Pollable]) {
    let timer = left.map(|left| {
        Box::pin(async move {
            Timer::after(left).await;
        }) as Event
    });
    // Each needs a descriptor of its own, of which a guest that names one often must not take many.
    let mut seen = HashSet::new();
    let once = pollables.iter().filter(|pollable| identity(pollable).is_none_or(|identity| seen.insert(identity)));
    let mut events: Vec<Event> = timer.into_iter().chain(once.filter_map(event)).collect();
    poll_fn(|cx| match events.iter_mut().any(|event| event.as_mut().poll(cx).is_ready()) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

/// What two pollables have in common when one event makes both ready.
fn identity(pollable: &Pollable) -> Option<(usize, Interest)> {
    match pollable {
        Pollable::Always | Pollable::At(_) => None,
        Pollable::Fd(fd, interest) => Some((Arc::as_ptr(fd).addr(), *interest)),
    }
}

/// What makes a pollable ready, unless it is a deadline.
fn event(pollable: &Pollable) -> Option<Event> {
    match pollable {
        Pollable::Always => Some(Box::pin(std::future::ready(()))),
        Pollable::At(_) => None,
        Pollable::Fd(fd, interest) => {
            let interest = *interest;
            // A duplicate, as a descriptor can be registered once, and several calls may wait for one.
            let registered = fd.try_clone().and_then(Async::new_nonblocking);
            Some(Box::pin(async move {
                // Without a descriptor to register, it is looked at from time to time.
                let Ok(fd) = registered else {
                    Timer::after(SLICE).await;
                    return;
                };
                // An error counts as ready: the operation itself will then report it.
                let _ = match interest {
                    Interest::Read => fd.readable().await,
                    Interest::Write => fd.writable().await,
                };
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::VirtualClock;
    use std::os::fd::AsFd;
    use std::time::Instant;

    fn once_ready(ctx: &mut WasiCtx, pollables: &[Pollable]) -> Result<Step<Vec<u32>>, Error> {
        let ready = look(ctx, pollables, Duration::ZERO)?;
        Ok(if ready.is_empty() { Step::Wait(pollables.to_vec()) } else { Step::Done(ready) })
    }

    #[test]
    fn a_descriptor_wakes_who_waits_for_it_twice() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let pollable = Pollable::on(Some(read.as_fd()), Interest::Read);
        let pollables = [pollable.clone(), Pollable::At(u64::MAX), pollable];
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            rustix::io::write(&write, b"x").unwrap();
            write
        });
        let ctx = WasiCtx::builder().build();
        let ready = pollster::block_on(suspending(ctx, |ctx| once_ready(ctx, &pollables)));
        assert_eq!(ready.unwrap(), [0, 2]);
        drop(writer.join().unwrap());
    }

    #[test]
    fn a_deadline_ends_the_waiting_either_way() {
        let deadline = |ctx: &mut WasiCtx| [Pollable::At(ctx.clock().monotonic() + 20_000_000)];
        let mut ctx = WasiCtx::builder().build();
        let (start, pollables) = (Instant::now(), deadline(&mut ctx));
        assert_eq!(blocking(&mut ctx, |ctx| once_ready(ctx, &pollables)).unwrap(), [0]);
        assert!(start.elapsed() >= Duration::from_millis(20));
        let (start, pollables) = (Instant::now(), deadline(&mut ctx));
        assert_eq!(pollster::block_on(suspending(ctx, |ctx| once_ready(ctx, &pollables))).unwrap(), [0]);
        assert!(start.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn a_descriptor_that_is_named_often_is_registered_once() {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let (read, _write) = rustix::pipe::pipe().unwrap();
        let pollable = Pollable::on(Some(read.as_fd()), Interest::Read);
        let pollables = vec![pollable; 3000];
        let mut waiting = Box::pin(one_of(None, &pollables));
        let before = open();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        assert!(open() < before + 100, "{} descriptors", open());
    }

    #[test]
    fn a_clock_that_jumps_makes_nobody_wait() {
        let mut ctx = WasiCtx::builder().clock(VirtualClock::new(0, 1)).build();
        let pollables = [Pollable::At(ctx.clock().monotonic() + 3_600_000_000_000)];
        assert_eq!(pollster::block_on(suspending(ctx, |ctx| once_ready(ctx, &pollables))).unwrap(), [0]);
    }
}
