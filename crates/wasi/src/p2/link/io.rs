//! `wasi:io`.

use super::super::io::{self, StreamError, Waited};
use super::super::poll::{self, Pollable};
use super::super::stream::{Input, IoError, Output};
use super::super::waiting::Step;
use super::ways::Way;
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

/// The result of a function of streams, for the component.
type Streamed<T> = (Result<T, Failure>,);

fn streamed<T>(step: Waited<T>) -> Result<Step<Streamed<T>>, Error> {
    Ok(step?.map(|result| (result.map_err(Failure::from),)))
}

pub(super) fn add<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>, way: impl Way<T>) -> Result<(), Error> {
    let mut error = linker.instance("wasi:io/error@0.2.12")?;
    error.resource::<IoError>("error", dropping(get))?;
    define!(error, get, "[method]error.to-debug-string", |host, this: Resource<IoError>| {
        io::to_debug_string(host, this.rep())?
    });
    let mut poll = linker.instance("wasi:io/poll@0.2.12")?;
    poll.resource::<Pollable>("pollable", dropping(get))?;
    define!(poll, get, "[method]pollable.ready", |host, this: Resource<Pollable>| poll::ready(host, this.rep())?);
    way.define(&mut poll, "[method]pollable.block", get, |(this,): (Resource<Pollable>,)| {
        move |ctx| poll::block(ctx, this.rep())
    })?;
    way.define(&mut poll, "poll", get, |(list,): (Vec<Resource<Pollable>>,)| {
        let numbers: Vec<u32> = list.iter().map(Resource::rep).collect();
        move |ctx| Ok(poll::poll(ctx, &numbers)?.map(|ready| (ready,)))
    })?;
    input(linker, get, way)?;
    output(linker, get)?;
    patient_output(linker, get, way)
}

fn input<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>, way: impl Way<T>) -> Result<(), Error> {
    let mut streams = linker.instance("wasi:io/streams@0.2.12")?;
    streams.resource::<Input>("input-stream", dropping(get))?;
    define!(streams, get, "[method]input-stream.read", |host, this: Resource<Input>, len: u64| {
        io::read(host, this.rep(), len)?.map_err(Failure::from)
    });
    define!(streams, get, "[method]input-stream.skip", |host, this: Resource<Input>, len: u64| {
        io::skip(host, this.rep(), len)?.map_err(Failure::from)
    });
    define!(streams, get, "[method]input-stream.subscribe", |host, this: Resource<Input>| {
        own::<Pollable>(io::subscribe_input(host, this.rep())?)
    });
    way.define(&mut streams, "[method]input-stream.blocking-read", get, |(this, len): (Resource<Input>, u64)| {
        move |ctx| streamed(io::blocking_read(ctx, this.rep(), len))
    })?;
    way.define(&mut streams, "[method]input-stream.blocking-skip", get, |(this, len): (Resource<Input>, u64)| {
        move |ctx| streamed(io::blocking_skip(ctx, this.rep(), len))
    })
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
    define!(streams, get, "[method]output-stream.flush", |host, this: Resource<Output>| {
        io::flush(host, this.rep())?.map_err(Failure::from)
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
        "[method]output-stream.splice",
        |host, this: Resource<Output>, from: Resource<Input>, len: u64| {
            io::splice(host, this.rep(), from.rep(), len)?.map_err(Failure::from)
        }
    );
    Ok(())
}

/// What waits until there is room.
fn patient_output<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>, way: impl Way<T>) -> Result<(), Error> {
    let mut streams = linker.instance("wasi:io/streams@0.2.12")?;
    let name = "[method]output-stream.blocking-write-and-flush";
    way.define(&mut streams, name, get, |(this, bytes): (Resource<Output>, Vec<u8>)| {
        let this = this.rep();
        let mut steps = io::then_flush(this, move |ctx| io::begin_write(ctx, this, &bytes));
        move |ctx| streamed(steps(ctx))
    })?;
    way.define(&mut streams, "[method]output-stream.blocking-flush", get, |(this,): (Resource<Output>,)| {
        move |ctx| streamed(io::blocking_flush(ctx, this.rep()))
    })?;
    let name = "[method]output-stream.blocking-write-zeroes-and-flush";
    way.define(&mut streams, name, get, |(this, len): (Resource<Output>, u64)| {
        let this = this.rep();
        let mut steps = io::then_flush(this, move |ctx| io::begin_zeroes(ctx, this, len));
        move |ctx| streamed(steps(ctx))
    })?;
    let name = "[method]output-stream.blocking-splice";
    way.define(&mut streams, name, get, |(this, from, len): (Resource<Output>, Resource<Input>, u64)| {
        move |ctx| streamed(io::blocking_splice(ctx, this.rep(), from.rep(), len))
    })
}
