//! What one guest is given: the context, and how an embedder puts it together.

use crate::host::{
    Clock, Dir, DirPerms, Entropy, FilePerms, InputStream, Network, NullStream, OsInput, OsOutput, OutputStream,
    SystemClock, SystemEntropy,
};
use crate::p1::Table;
use crate::p2::Threads;
use crate::p2::resources::Resources;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Everything a guest can reach, and what it holds open. One guest, one context.
pub struct WasiCtx {
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<String>,
    /// Until it is first read, none, where it is the system's.
    clock: Option<Box<dyn Clock>>,
    pub(crate) entropy: Box<dyn Entropy>,
    pub(crate) table: Table,
    pub(crate) network: Network,
    /// What a component holds handles of.
    pub(crate) resources: Resources,
    /// The threads that look names up; none until the first name is.
    lookups: Option<Arc<Threads>>,
}

impl WasiCtx {
    /// A builder for a context that holds nothing yet.
    pub fn builder() -> WasiCtxBuilder {
        WasiCtxBuilder::new()
    }

    /// The clock that the guest sees.
    pub(crate) fn clock(&mut self) -> &mut dyn Clock {
        &mut **self.clock.get_or_insert_with(|| Box::new(SystemClock::new()))
    }

    /// The threads that look names up.
    pub(crate) fn lookups(&mut self) -> &Arc<Threads> {
        self.lookups.get_or_insert_with(Threads::of_guest)
    }

    /// Whether the guest has left its descriptors as it found them. A snapshot that is made when it has not would
    /// start where they are others.
    ///
    /// # Errors
    ///
    /// Names the first that is not.
    pub fn at_rest(&self) -> Result<(), String> {
        match self.resources.len() {
            0 => self.table.at_rest(),
            held => Err(format!("the guest holds {held} WASI resources")),
        }
    }
}

impl fmt::Debug for WasiCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasiCtx").field("args", &self.args).field("table", &self.table).finish_non_exhaustive()
    }
}

/// As many descriptors as a guest may have open, if the embedder does not say. A process may usually have 1024, and
/// other guests need some.
const DESCRIPTORS: usize = 512;

/// As many resources of WASI 0.2 as a guest may hold, if the embedder does not say: most of them are descriptors of this
/// process.
const RESOURCES: usize = DESCRIPTORS;

/// Puts a [`WasiCtx`] together. What is not said is absent: no arguments, no environment, no directories, input that is
/// at its end, output that goes nowhere. Clocks and entropy are the system's.
pub struct WasiCtxBuilder {
    args: Vec<String>,
    env: Vec<String>,
    clock: Option<Box<dyn Clock>>,
    entropy: Box<dyn Entropy>,
    stdin: Box<dyn InputStream>,
    stdout: Box<dyn OutputStream>,
    stderr: Box<dyn OutputStream>,
    preopens: Vec<(Dir, String)>,
    descriptors: usize,
    network: Network,
    resources: usize,
}

impl WasiCtxBuilder {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            args: Vec::new(),
            env: Vec::new(),
            clock: None,
            entropy: Box::new(SystemEntropy),
            stdin: Box::new(NullStream),
            stdout: Box::new(NullStream),
            stderr: Box::new(NullStream),
            preopens: Vec::new(),
            descriptors: DESCRIPTORS,
            network: Network::none(),
            resources: RESOURCES,
        }
    }

    /// Adds an argument. The first is by custom the program's name.
    pub fn arg(&mut self, arg: impl Into<String>) -> &mut Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl Into<String>>) -> &mut Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment, in the place of what it was before: of two with the same name, guests see the first.
    pub fn env(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> &mut Self {
        let name = name.as_ref();
        let variable = format!("{name}={}", value.as_ref());
        let is_same = |other: &&mut String| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
        match self.env.iter_mut().find(is_same) {
            Some(earlier) => *earlier = variable,
            None => self.env.push(variable),
        }
        self
    }

    /// Sets variables of the environment.
    pub fn envs(&mut self, envs: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>) -> &mut Self {
        for (name, value) in envs {
            self.env(name, value);
        }
        self
    }

    /// Sets this process's variables, as far as they are UTF-8.
    pub fn inherit_env(&mut self) -> &mut Self {
        let utf8 = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        self.envs(std::env::vars_os().filter_map(utf8))
    }

    /// What the guest reads as its standard input.
    pub fn stdin(&mut self, stream: impl InputStream + 'static) -> &mut Self {
        self.stdin = Box::new(stream);
        self
    }

    /// Where the guest's standard output goes.
    pub fn stdout(&mut self, stream: impl OutputStream + 'static) -> &mut Self {
        self.stdout = Box::new(stream);
        self
    }

    /// Where the guest's standard error goes.
    pub fn stderr(&mut self, stream: impl OutputStream + 'static) -> &mut Self {
        self.stderr = Box::new(stream);
        self
    }

    /// The guest reads this process's standard input. If that is closed, it is at its end.
    pub fn inherit_stdin(&mut self) -> &mut Self {
        match OsInput::inherit() {
            Ok(stream) => self.stdin(stream),
            Err(_) => self.stdin(NullStream),
        }
    }

    /// The guest writes to this process's standard output. If that is closed, output goes nowhere.
    pub fn inherit_stdout(&mut self) -> &mut Self {
        match OsOutput::inherit_stdout() {
            Ok(stream) => self.stdout(stream),
            Err(_) => self.stdout(NullStream),
        }
    }

    /// The guest writes to this process's standard error. If that is closed, output goes nowhere.
    pub fn inherit_stderr(&mut self) -> &mut Self {
        match OsOutput::inherit_stderr() {
            Ok(stream) => self.stderr(stream),
            Err(_) => self.stderr(NullStream),
        }
    }

    /// All three standard streams are this process's.
    pub fn inherit_stdio(&mut self) -> &mut Self {
        self.inherit_stdin().inherit_stdout().inherit_stderr()
    }

    /// Lets the guest use the host's directory `host` under the name `guest`, and everything below it, as far as
    /// permitted. No path the guest can give leads out of it.
    ///
    /// # Errors
    ///
    /// When the directory cannot be opened.
    pub fn preopened_dir(
        &mut self,
        host: impl AsRef<Path>,
        guest: impl Into<String>,
        dirs: DirPerms,
        files: FilePerms,
    ) -> std::io::Result<&mut Self> {
        self.preopens.push((Dir::open_ambient(host, dirs, files)?, guest.into()));
        Ok(self)
    }

    /// The clock the guest sees.
    pub fn clock(&mut self, clock: impl Clock + 'static) -> &mut Self {
        self.clock = Some(Box::new(clock));
        self
    }

    /// Where the guest's random bytes come from.
    pub fn entropy(&mut self, entropy: impl Entropy + 'static) -> &mut Self {
        self.entropy = Box::new(entropy);
        self
    }

    /// How many descriptors the guest may have open at a time.
    pub fn max_descriptors(&mut self, count: usize) -> &mut Self {
        self.descriptors = count;
        self
    }

    /// What the guest may do with the network. Nothing, if this is not called.
    pub fn network(&mut self, network: Network) -> &mut Self {
        self.network = network;
        self
    }

    /// How many resources of WASI 0.2 (streams, files, pollables and so on) the guest may hold at a time. One more ends its
    /// call; with three quarters of them it is told that there are no more sockets.
    pub fn max_resources(&mut self, count: usize) -> &mut Self {
        self.resources = count;
        self
    }

    /// The context, which takes all that was said: the builder is then as if new. Unless the embedder gave one, the
    /// monotonic clock starts when the guest first asks for it.
    pub fn build(&mut self) -> WasiCtx {
        let this = std::mem::take(self);
        let mut table = Table::new(this.descriptors);
        table.push_input(this.stdin);
        table.push_output(this.stdout);
        table.push_output(this.stderr);
        this.preopens.into_iter().for_each(|(dir, name)| table.push_preopen(dir, name));
        let resources = Resources::new(this.resources);
        let (args, env, clock, entropy, network) = (this.args, this.env, this.clock, this.entropy, this.network);
        WasiCtx { args, env, clock, entropy, table, network, resources, lookups: None }
    }
}

impl Default for WasiCtxBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WasiCtxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasiCtxBuilder").field("args", &self.args).finish_non_exhaustive()
    }
}

/// A guest may move between threads with its context.
const _: fn() = || {
    fn send<T: Send>() {}
    send::<WasiCtx>();
    send::<WasiCtxBuilder>();
};
