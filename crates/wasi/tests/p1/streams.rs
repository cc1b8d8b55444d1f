//! Standard input, output and error.

use crate::support::{OUT, TestGuest, Trap, guest, told};
use hatchery_wasi::WasiCtx;
use hatchery_wasi::host::{
    Durability, MemoryInput, MemoryOutput, OsInput, OsOutput, OutputStream, ReadStream, WriteStream,
};
use hatchery_wasi::p1::{self, Errno, Failure};
use std::io::{IoSlice, Read};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe().unwrap()
}

#[test]
fn what_is_in_memory() {
    let (out, err) = (MemoryOutput::new(100), MemoryOutput::new(3));
    let mut builder = WasiCtx::builder();
    let mut guest = guest(builder.stdin(MemoryInput::new(*b"hello")).stdout(out.clone()).stderr(err.clone()));
    assert_eq!(guest.read(0, 3).unwrap(), b"hel");
    assert_eq!(guest.read(0, 30).unwrap(), b"lo");
    assert_eq!(guest.read(0, 30).unwrap(), b"");
    assert_eq!(guest.write(1, b"output"), Ok(6));
    assert_eq!(guest.write(2, b"error"), Ok(3));
    assert_eq!(guest.write(2, b"more"), Err(Errno::NoSpc));
    assert_eq!((out.contents(), err.contents()), (b"output".to_vec(), b"err".to_vec()));
    told(p1::fd_sync(&mut guest, 1)).unwrap();
}

#[test]
fn streams_are_one_way_and_have_no_position() {
    let mut guest = guest(&mut WasiCtx::builder());
    assert_eq!(guest.write(0, b"x"), Err(Errno::Badf));
    assert_eq!(guest.read(1, 1), Err(Errno::Badf));
    assert_eq!((guest.seek(1, 0, 0), guest.seek(0, 0, 1)), (Err(Errno::Spipe), Err(Errno::Spipe)));
    let buffers = guest.buffers(&[(64, 8)]);
    let told_at = |fd, call: fn(&mut TestGuest, i32, i32, i32, i64, i32) -> _, guest: &mut TestGuest| {
        told(call(guest, fd, buffers.0, buffers.1, 0, 16))
    };
    // Programs that try a position first go on without one where there is none.
    assert_eq!(told_at(1, p1::fd_pwrite, &mut guest), Err(Errno::Spipe));
    assert_eq!(told_at(0, p1::fd_pread, &mut guest), Err(Errno::Spipe));
    assert_eq!(told_at(1, p1::fd_pread, &mut guest), Err(Errno::Badf));
    assert_eq!(guest.read(0, 1).unwrap(), b"");
    assert_eq!(guest.write(1, b"gone"), Ok(4));
    told(p1::fd_filestat_get(&mut guest, 1, OUT)).unwrap();
    assert_eq!(guest.write(9, b"x"), Err(Errno::Badf));
}

#[test]
fn the_embedder_s_own() {
    let mut builder = WasiCtx::builder();
    let mut guest = guest(builder.stdin(ReadStream(&b"abc"[..])).stdout(WriteStream(std::io::sink())));
    assert_eq!(guest.read(0, 9).unwrap(), b"abc");
    assert_eq!(guest.write(1, b"x"), Ok(1));
}

#[test]
fn a_pipe_gives_what_it_has() {
    let ((input, feed), (drain, output)) = (pipe(), pipe());
    let mut builder = WasiCtx::builder();
    let mut guest = guest(builder.stdin(OsInput::new(input)).stdout(OsOutput::new(output)));
    rustix::io::write(&feed, b"some").unwrap();
    assert_eq!(guest.read(0, 100).unwrap(), b"some");
    let later = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        rustix::io::write(&feed, b"later").unwrap();
    });
    assert_eq!(guest.read(0, 100).unwrap(), b"later");
    later.join().unwrap();
    assert_eq!(guest.read(0, 100).unwrap(), b"", "the end");
    assert_eq!(guest.write(1, b"out"), Ok(3));
    drop(drain);
    assert_eq!(guest.write(1, b"out"), Err(Errno::Pipe));
}

#[test]
fn a_write_to_a_pipe_takes_every_buffer_whole() {
    let (drain, output) = pipe();
    let mut guest = guest(WasiCtx::builder().stdout(OsOutput::new(output)));
    let drained = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        std::fs::File::from(drain).read_to_end(&mut bytes).unwrap();
        bytes
    });
    let much: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    let buffers = [b"start".as_slice(), b"", &much, b"end"];
    let placed = buffers.map(|bytes| guest.put(bytes));
    let (at, count) = guest.buffers(&placed);
    told(p1::fd_write(&mut guest, 1, at, count, OUT)).unwrap();
    assert_eq!(guest.u32_at(OUT), 200_008);
    drop(guest);
    assert!(drained.join().unwrap() == buffers.concat());
}

/// What takes nothing without an error is asked once.
#[test]
fn a_stream_that_takes_nothing_ends_the_write() {
    let room = std::io::Cursor::new([0_u8; 4]);
    let mut guest = guest(WasiCtx::builder().stdout(WriteStream(room)));
    assert_eq!(guest.write(1, b"abcdef"), Ok(4));
    assert_eq!(guest.write(1, b"ef"), Ok(0));
}

#[test]
fn only_what_is_synchronized_is_synchronized() {
    let calls = Calls::default();
    let mut guest = guest(WasiCtx::builder().stdout(calls.clone()));
    assert_eq!(guest.write(1, b"x"), Ok(1));
    assert_eq!(*calls.0.lock().unwrap(), []);
    told(p1::fd_datasync(&mut guest, 1)).unwrap();
    told(p1::fd_sync(&mut guest, 1)).unwrap();
    assert_eq!(*calls.0.lock().unwrap(), [Durability::Data, Durability::File]);
}

/// Records how it is synchronized.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Durability>>>);

impl OutputStream for Calls {
    fn write(&mut self, buffers: &[IoSlice<'_>]) -> hatchery_wasi::host::Result<usize> {
        Ok(buffers.iter().map(|buffer| buffer.len()).sum())
    }

    fn sync(&mut self, durability: Durability) -> hatchery_wasi::host::Result<()> {
        self.0.lock().unwrap().push(durability);
        Ok(())
    }
}

#[test]
fn a_guest_that_waits_for_input_can_be_stopped() {
    let (input, _feed) = pipe();
    let mut guest = guest(WasiCtx::builder().stdin(OsInput::new(input)));
    guest.stop_after(Duration::from_millis(50));
    let start = Instant::now();
    let buffer = guest.put(b"room");
    let (at, count) = guest.buffers(&[buffer]);
    assert_eq!(p1::fd_read(&mut guest, 0, at, count, OUT), Err(Failure::Trap(Trap::Stopped)));
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_guest_that_waits_for_a_reader_can_be_stopped() {
    let (_drain, output) = pipe();
    let mut guest = guest(WasiCtx::builder().stdout(OsOutput::new(output)));
    let much = guest.put(&vec![0; 256 << 10]);
    let (at, count) = guest.buffers(&[much]);
    guest.stop_after(Duration::from_millis(50));
    let stopped = loop {
        match p1::fd_write(&mut guest, 1, at, count, OUT) {
            Ok(()) => {}
            Err(failure) => break failure,
        }
    };
    assert_eq!(stopped, Failure::Trap(Trap::Stopped));
}

#[test]
fn one_that_does_not_want_to_wait_is_told() {
    let ((input, _feed), (_drain, output)) = (pipe(), pipe());
    let mut builder = WasiCtx::builder();
    let mut guest = guest(builder.stdin(OsInput::new(input)).stdout(OsOutput::new(output)));
    told(p1::fd_fdstat_set_flags(&mut guest, 0, 4)).unwrap();
    told(p1::fd_fdstat_set_flags(&mut guest, 1, 4)).unwrap();
    assert_eq!(guest.read(0, 1), Err(Errno::Again));
    let told = std::iter::repeat_with(|| {
        guest.rewind();
        guest.write(1, &[0; 5000])
    });
    assert_eq!(told.take(1000).find_map(Result::err), Some(Errno::Again));
}
