//! `wasi:io`.

use super::super::io::{self, StreamError};
use super::super::poll::{self, Pollable};
use super::super::stream::{Input, IoError, Output};
use super::{Calling, Get, define, dropping, own};
use hatchery::Error;
use hatchery::component::{Caller, ComponentType, Lift, Linker, Lower, Resource};

/// `stream-error`.
#[derive(Debug, ComponentType, Lift, Lower)]
enum Failure {
    LastOperationFailed(Resource<IoError>),
    Closed,
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::LastOperationFailed(number) => Self::LastOperationFailed(own(number)),
            StreamError::Closed => Self::Closed,
        }
    }
}

pub(super) fn add<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut error = linker.instance("wasi:io/error@0.2.12")?;
    error.resource::<IoError>("error", dropping(get))?;
    define!(error, get, "[method]error.to-debug-string", |host, this: Resource<IoError>| {
        io::to_debug_string(host, this.rep())?
    });
    let mut poll = linker.instance("wasi:io/poll@0.2.12")?;
    poll.resource::<Pollable>("pollable", dropping(get))?;
    define!(poll, get, "[method]pollable.ready", |host, this: Resource<Pollable>| poll::ready(host, this.rep())?);
    poll.func("[method]pollable.block", move |mut caller: Caller<'_, T>, (this,): (Resource<Pollable>,)| {
        poll::block(&mut Calling { caller: &mut caller, get }, this.rep())
    })?;
    define!(poll, get, "poll", |host, list: Vec<Resource<Pollable>>| {
        let numbers: Vec<u32> = list.iter().map(Resource::rep).collect();
        poll::poll(host, &numbers)?
    });
    input(linker, get)?;
    output(linker, get)
}

fn input<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut streams = linker.instance("wasi:io/streams@0.2.12")?;
    streams.resource::<Input>("input-stream", dropping(get))?;
    define!(streams, get, "[method]input-stream.read", |host, this: Resource<Input>, len: u64| {
        io::read(host, this.rep(), len)?.map_err(Failure::from)
    });
    define!(streams, get, "[method]input-stream.blocking-read", |host, this: Resource<Input>, len: u64| {
        io::blocking_read(host, this.rep(), len)?.map_err(Failure::from)
    });
    define!(streams, get, "[method]input-stream.skip", |host, this: Resource<Input>, len: u64| {
        io::skip(host, this.rep(), len)?.map_err(Failure::from)
    });
    define!(streams, get, "[method]input-stream.blocking-skip", |host, this: Resource<Input>, len: u64| {
        io::blocking_skip(host, this.rep(), len)?.map_err(Failure::from)
    });
    define!(streams, get, "[method]input-stream.subscribe", |host, this: Resource<Input>| {
        own::<Pollable>(io::subscribe_input(host, this.rep())?)
    });
    Ok(())
}

fn output<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut streams = linker.instance("wasi:io/streams@0.2.12")?;
    streams.resource::<Output>("output-stream", dropping(get))?;
    define!(streams, get, "[method]output-stream.check-write", |host, this: Resource<Output>| {
        io::check_write(host, this.rep())?.map_err(Failure::from)
    });
    define!(streams, get, "[method]output-stream.write", |host, this: Resource<Output>, bytes: Vec<u8>| {
        io::write(host, this.rep(), &bytes)?.map_err(Failure::from)
    });
    define!(
        streams,
        get,
        "[method]output-stream.blocking-write-and-flush",
        |host, this: Resource<Output>, bytes: Vec<u8>| {
            io::blocking_write_and_flush(host, this.rep(), &bytes)?.map_err(Failure::from)
        }
    );
    define!(streams, get, "[method]output-stream.flush", |host, this: Resource<Output>| {
        io::flush(host, this.rep())?.map_err(Failure::from)
    });
    define!(streams, get, "[method]output-stream.blocking-flush", |host, this: Resource<Output>| {
        io::blocking_flush(host, this.rep())?.map_err(Failure::from)
    });
    define!(streams, get, "[method]output-stream.subscribe", |host, this: Resource<Output>| {
        own::<Pollable>(io::subscribe_output(host, this.rep())?)
    });
    define!(streams, get, "[method]output-stream.write-zeroes", |host, this: Resource<Output>, len: u64| {
        io::write_zeroes(host, this.rep(), len)?.map_err(Failure::from)
    });
    define!(
        streams,
        get,
        "[method]output-stream.blocking-write-zeroes-and-flush",
        |host, this: Resource<Output>, len: u64| {
            io::blocking_write_zeroes_and_flush(host, this.rep(), len)?.map_err(Failure::from)
        }
    );
    define!(
        streams,
        get,
        "[method]output-stream.splice",
        |host, this: Resource<Output>, from: Resource<Input>, len: u64| {
            io::splice(host, this.rep(), from.rep(), len)?.map_err(Failure::from)
        }
    );
    define!(
        streams,
        get,
        "[method]output-stream.blocking-splice",
        |host, this: Resource<Output>, from: Resource<Input>, len: u64| {
            io::blocking_splice(host, this.rep(), from.rep(), len)?.map_err(Failure::from)
        }
    );
    Ok(())
}
