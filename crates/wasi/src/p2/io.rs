//! `wasi:io/streams` as functions on handles.

use super::poll::{Pollable, look};
use super::refusal::Refusal;
use super::stream::{Excess, Failed, Input, IoError, Output, split};
use super::waiting::Step;
use super::{Answer, Host};
use crate::WasiCtx;
use hatchery::Error;
use std::time::Duration;

/// `stream-error`; an error is the number of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamError {
    LastOperationFailed(u32),
    Closed,
}

/// What most stream functions answer.
pub(crate) type Streamed<T> = Answer<T, StreamError>;

/// Makes a resource of the error, if there is one.
fn answer<T>(ctx: &mut WasiCtx, result: Result<T, Failed>) -> Streamed<T> {
    Ok(match result {
        Ok(value) => Ok(value),
        Err(Failed::Closed) => Err(StreamError::Closed),
        Err(Failed::Last(error)) => Err(StreamError::LastOperationFailed(ctx.resources.add(IoError(error))?)),
    })
}

/// `[method]error.to-debug-string`.
pub(crate) fn to_debug_string(host: &mut impl Host, this: u32) -> Result<String, Error> {
    Ok(host.ctx().resources.get::<IoError>(this)?.0.to_string())
}

/// `[method]input-stream.read`.
pub(crate) fn read(host: &mut impl Host, this: u32, len: u64) -> Streamed<Vec<u8>> {
    let ctx = host.ctx();
    let (table, resources) = split(ctx);
    let result = resources.get::<Input>(this)?.read(table, len);
    answer(ctx, result)
}

/// What functions that may have to wait answer, step by step.
pub(crate) type Waited<T> = Result<Step<Result<T, StreamError>>, Error>;

/// `[method]input-stream.blocking-read`.
pub(crate) fn blocking_read(ctx: &mut WasiCtx, this: u32, len: u64) -> Waited<Vec<u8>> {
    match read(ctx, this, len)? {
        Ok(bytes) if bytes.is_empty() && len > 0 => Ok(Step::Wait(vec![input_ready(ctx, this)?])),
        done => Ok(Step::Done(done)),
    }
}

fn input_ready(ctx: &mut WasiCtx, this: u32) -> Result<Pollable, Error> {
    let (table, resources) = split(ctx);
    Ok(resources.get::<Input>(this)?.subscribe(table))
}

fn output_ready(ctx: &mut WasiCtx, this: u32) -> Result<Pollable, Error> {
    let (table, resources) = split(ctx);
    Ok(resources.get::<Output>(this)?.subscribe(table))
}

/// `[method]input-stream.skip`.
pub(crate) fn skip(host: &mut impl Host, this: u32, len: u64) -> Streamed<u64> {
    Ok(read(host, this, len)?.map(|bytes| bytes.len() as u64))
}

/// `[method]input-stream.blocking-skip`.
pub(crate) fn blocking_skip(ctx: &mut WasiCtx, this: u32, len: u64) -> Waited<u64> {
    Ok(blocking_read(ctx, this, len)?.map(|read| read.map(|bytes| bytes.len() as u64)))
}

/// `[method]input-stream.subscribe`.
pub(crate) fn subscribe_input(host: &mut impl Host, this: u32) -> Result<u32, Error> {
    let pollable = input_ready(host.ctx(), this)?;
    host.ctx().resources.add(pollable)
}

/// `[method]output-stream.check-write`.
pub(crate) fn check_write(host: &mut impl Host, this: u32) -> Streamed<u64> {
    let ctx = host.ctx();
    let (table, resources) = split(ctx);
    let result = resources.get::<Output>(this)?.check_write(table);
    answer(ctx, result)
}

/// `[method]output-stream.write`.
pub(crate) fn write(host: &mut impl Host, this: u32, bytes: &[u8]) -> Streamed<()> {
    let ctx = host.ctx();
    let (table, resources) = split(ctx);
    let result = resources.get::<Output>(this)?.write(table, bytes);
    let result = result.map_err(|Excess { wrote, permit }| Refusal::Excess { wrote, permit })?;
    answer(ctx, result)
}

/// As much as a guest may hand over to one of the calls that write and wait.
const MOST_BLOCKING: u64 = 4096;

/// `[method]output-stream.blocking-write-and-flush`: writing is its first step, [`blocking_flush`] the rest.
///
/// # Errors
///
/// When more is written at once than the interface allows.
pub(crate) fn begin_write(ctx: &mut WasiCtx, this: u32, bytes: &[u8]) -> Streamed<()> {
    let wrote = bytes.len() as u64;
    if wrote > MOST_BLOCKING {
        return Err(Refusal::Excess { wrote, permit: MOST_BLOCKING }.into());
    }
    let (table, resources) = split(ctx);
    let result = resources.get::<Output>(this)?.accept(table, bytes);
    answer(ctx, result)
}

/// `[method]output-stream.blocking-write-zeroes-and-flush`, as [`begin_write`].
///
/// # Errors
///
/// As for [`begin_write`].
pub(crate) fn begin_zeroes(ctx: &mut WasiCtx, this: u32, len: u64) -> Streamed<()> {
    if len > MOST_BLOCKING {
        return Err(Refusal::Excess { wrote: len, permit: MOST_BLOCKING }.into());
    }
    begin_write(ctx, this, &ZEROS[..len as usize])
}

/// A step that is taken once, and flushing behind it.
pub(crate) fn then_flush(
    this: u32,
    begin: impl FnOnce(&mut WasiCtx) -> Streamed<()>,
) -> impl FnMut(&mut WasiCtx) -> Waited<()> {
    let mut begin = Some(begin);
    move |ctx| match begin.take().map(|begin| begin(ctx)).transpose()? {
        Some(Err(error)) => Ok(Step::Done(Err(error))),
        Some(Ok(())) | None => blocking_flush(ctx, this),
    }
}

/// `[method]output-stream.flush`: what is pending goes on as soon as there is room.
pub(crate) fn flush(host: &mut impl Host, this: u32) -> Streamed<()> {
    let ctx = host.ctx();
    let (table, resources) = split(ctx);
    let output = resources.get::<Output>(this)?;
    let result = output.drain(table).and_then(|_| output.flush(table));
    answer(ctx, result)
}

/// `[method]output-stream.blocking-flush`.
pub(crate) fn blocking_flush(ctx: &mut WasiCtx, this: u32) -> Waited<()> {
    let (table, resources) = split(ctx);
    let output = resources.get::<Output>(this)?;
    let result = match output.drain(table) {
        Ok(true) => output.flush(table),
        Ok(false) => return Ok(Step::Wait(vec![output.subscribe(table)])),
        Err(failed) => Err(failed),
    };
    answer(ctx, result).map(Step::Done)
}

/// `[method]output-stream.subscribe`.
pub(crate) fn subscribe_output(host: &mut impl Host, this: u32) -> Result<u32, Error> {
    let pollable = output_ready(host.ctx(), this)?;
    host.ctx().resources.add(pollable)
}

/// Zeros for the functions that write them.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// `[method]output-stream.write-zeroes`.
pub(crate) fn write_zeroes(host: &mut impl Host, this: u32, len: u64) -> Streamed<()> {
    let mut left = len;
    // What exceeds the permit is refused before anything is written.
    let permit = host.ctx().resources.get::<Output>(this)?.permit();
    if len > permit {
        return Err(Refusal::Excess { wrote: len, permit }.into());
    }
    while left > 0 {
        let portion = left.min(ZEROS.len() as u64);
        if let Err(error) = write(host, this, &ZEROS[..portion as usize])? {
            return Ok(Err(error));
        }
        left -= portion;
    }
    Ok(Ok(()))
}

/// `[method]output-stream.splice`.
pub(crate) fn splice(host: &mut impl Host, this: u32, from: u32, len: u64) -> Streamed<u64> {
    let permit = match check_write(host, this)? {
        Ok(permit) => permit,
        Err(error) => return Ok(Err(error)),
    };
    let bytes = match read(host, from, len.min(permit))? {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Err(error)),
    };
    Ok(write(host, this, &bytes)?.map(|()| bytes.len() as u64))
}

/// `[method]output-stream.blocking-splice`.
pub(crate) fn blocking_splice(ctx: &mut WasiCtx, this: u32, from: u32, len: u64) -> Waited<u64> {
    for pollable in [output_ready(ctx, this)?, input_ready(ctx, from)?] {
        if look(ctx, std::slice::from_ref(&pollable), Duration::ZERO)?.is_empty() {
            return Ok(Step::Wait(vec![pollable]));
        }
    }
    match splice(ctx, this, from, len)? {
        // Somebody else was faster: both are waited for again.
        Ok(0) if len > 0 => Ok(Step::Wait(vec![input_ready(ctx, from)?])),
        done => Ok(Step::Done(done)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::poll::ready;
    use super::super::stream::{Sink, Source};
    use super::super::tests::Plain;
    use super::super::waiting::{blocking, suspending};
    use super::*;
    use crate::host::{Durability, InputStream, MemoryInput, MemoryOutput, OutputStream};
    use std::io::{IoSlice, IoSliceMut};
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    fn host() -> (Plain, MemoryOutput, u32, u32) {
        let out = MemoryOutput::new(1 << 20);
        let ctx = WasiCtx::builder().stdin(MemoryInput::new(&b"some input"[..])).stdout(out.clone()).build();
        let mut host = Plain(ctx);
        let input = host.ctx().resources.add(Input::new(Source::Stdin)).unwrap();
        let output = host.ctx().resources.add(Output::new(Sink::Standard(1))).unwrap();
        (host, out, input, output)
    }

    #[test]
    fn splicing_moves_input_to_output() {
        let (mut host, out, input, output) = host();
        assert_eq!(skip(&mut host, input, 5).unwrap(), Ok(5));
        assert_eq!(blocking(&mut host, |ctx| blocking_splice(ctx, output, input, 100)).unwrap(), Ok(5));
        assert_eq!(splice(&mut host, output, input, 100).unwrap(), Err(StreamError::Closed));
        assert_eq!(out.contents(), b"input");
    }

    #[test]
    fn zeros_are_written_as_far_as_permitted() {
        let (mut host, out, _, output) = host();
        assert!(write_zeroes(&mut host, output, 1).is_err());
        let permit = check_write(&mut host, output).unwrap().unwrap();
        assert!(permit >= 100_000);
        assert_eq!(write_zeroes(&mut host, output, 100_000).unwrap(), Ok(()));
        let zeros = then_flush(output, |ctx| begin_zeroes(ctx, output, 10));
        assert_eq!(blocking(&mut host, zeros).unwrap(), Ok(()));
        assert!(begin_zeroes(host.ctx(), output, 5000).is_err());
        assert_eq!(out.contents(), vec![0; 100_010]);
    }

    /// What was asked of it, in order.
    #[derive(Clone, Default)]
    struct Asked(Arc<Mutex<Vec<&'static str>>>);

    impl OutputStream for Asked {
        fn write(&mut self, buffers: &[IoSlice<'_>]) -> crate::host::Result<usize> {
            self.0.lock().unwrap().push("write");
            Ok(buffers.iter().map(|buffer| buffer.len()).sum())
        }

        fn flush(&mut self) -> crate::host::Result<()> {
            self.0.lock().unwrap().push("flush");
            Ok(())
        }

        fn sync(&mut self, _durability: Durability) -> crate::host::Result<()> {
            self.0.lock().unwrap().push("sync");
            Ok(())
        }
    }

    /// Has something, or room, every third time that it is asked, and no descriptor to wait on.
    #[derive(Default)]
    struct Hesitant {
        asked: u32,
    }

    impl Hesitant {
        fn hesitate(&mut self) -> crate::host::Result<()> {
            self.asked += 1;
            if self.asked.is_multiple_of(3) { Ok(()) } else { Err(crate::host::Error::WouldBlock) }
        }
    }

    impl InputStream for Hesitant {
        fn read(&mut self, buffers: &mut [IoSliceMut<'_>]) -> crate::host::Result<usize> {
            self.hesitate()?;
            buffers[0][0] = 7;
            Ok(1)
        }
    }

    impl OutputStream for Hesitant {
        fn write(&mut self, buffers: &[IoSlice<'_>]) -> crate::host::Result<usize> {
            self.hesitate()?;
            Ok(buffers.iter().map(|buffer| buffer.len()).sum())
        }
    }

    #[test]
    fn what_would_block_without_a_descriptor_is_not_asked_all_the_time() {
        let mut host = Plain(WasiCtx::builder().stdin(Hesitant::default()).stdout(Hesitant::default()).build());
        let input = host.ctx().resources.add(Input::new(Source::Stdin)).unwrap();
        let output = host.ctx().resources.add(Output::new(Sink::Standard(1))).unwrap();
        let start = Instant::now();
        (0..5).for_each(|_| assert_eq!(host.read(input), Ok(vec![7])));
        assert!(start.elapsed() >= Duration::from_millis(10), "{:?}", start.elapsed());
        let start = Instant::now();
        (0..5).for_each(|_| assert_eq!(host.write(output, b"x"), Ok(())));
        assert!(start.elapsed() >= Duration::from_millis(5), "{:?}", start.elapsed());
        // A pollable that is kept knows what the stream found out later.
        let kept = subscribe_input(&mut host, input).unwrap();
        assert!(ready(&mut host, kept).unwrap());
        assert_eq!(read(&mut host, input, 1).unwrap(), Ok(vec![]));
        assert!(!ready(&mut host, kept).unwrap());
        host.block(kept);
        assert_eq!(read(&mut host, input, 1).unwrap(), Ok(vec![]));
        host.block(kept);
        assert_eq!(read(&mut host, input, 1).unwrap(), Ok(vec![7]));
    }

    #[test]
    fn a_guest_that_is_suspended_lets_others_run_while_a_stream_has_nothing() {
        let mut ctx = WasiCtx::builder().stdin(Hesitant::default()).build();
        let input = ctx.resources.add(Input::new(Source::Stdin)).unwrap();
        let mut reading = Box::pin(suspending(ctx, |ctx| blocking_read(ctx, input, 1)));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(reading.as_mut().poll(&mut cx).is_pending());
        assert_eq!(pollster::block_on(reading).unwrap(), Ok(vec![7]));
    }

    #[test]
    fn flushing_standard_output_does_not_synchronize_it() {
        let asked = Asked::default();
        let mut host = Plain(WasiCtx::builder().stdout(asked.clone()).build());
        let output = host.ctx().resources.add(Output::new(Sink::Standard(1))).unwrap();
        host.write(output, b"x").unwrap();
        flush(&mut host, output).unwrap().unwrap();
        assert_eq!(*asked.0.lock().unwrap(), ["write", "flush", "flush"]);
    }

    #[test]
    fn a_failure_is_a_resource_and_closes_the_stream() {
        let out = MemoryOutput::new(3);
        let mut host = Plain(WasiCtx::builder().stdout(out).build());
        let output = host.ctx().resources.add(Output::new(Sink::Standard(1))).unwrap();
        let Err(StreamError::LastOperationFailed(error)) = host.write(output, b"too much") else {
            panic!("the output is full");
        };
        assert!(to_debug_string(&mut host, error).unwrap().contains("space"));
        assert_eq!(check_write(&mut host, output).unwrap(), Err(StreamError::Closed));
    }
}
