//! A script as data: owned, without the text it came from.

use crate::value::{Argument, Expected};
use std::sync::Arc;

/// The commands of a script, in order.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The commands.
    pub commands: Vec<Command>,
}

/// One command and where it is.
#[derive(Debug, Clone)]
pub struct Command {
    /// Line of the command's keyword, from 1.
    pub line: usize,
    /// What it does.
    pub act: Act,
}

/// A module's binary, or why its text has none.
pub type Source = Result<Arc<[u8]>, String>;

/// What a command does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Defines a module and instantiates it.
    Module {
        /// Name of both, without the dollar sign.
        name: Option<String>,
        /// The module.
        source: Source,
    },
    /// Defines a module.
    Define {
        /// Its name.
        name: Option<String>,
        /// The module.
        source: Source,
    },
    /// Instantiates a defined module.
    Instantiate {
        /// Name of the instance.
        name: Option<String>,
        /// Name of the module; the latest if there is none.
        module: Option<String>,
    },
    /// Makes an instance importable.
    Register {
        /// The module name under which it is imported from now on.
        import: String,
        /// Name of the instance; the latest if there is none.
        instance: Option<String>,
    },
    /// Does something whose results do not matter.
    Perform(Action),
    /// Asserts something.
    Assert(Assertion),
    /// What this runner cannot do, with the number of assertions in it.
    Skip {
        /// The missing ability.
        reason: &'static str,
        /// Assertions that are not checked for that.
        assertions: usize,
    },
}

/// A use of an instance's export.
#[derive(Debug, Clone)]
pub struct Action {
    /// Name of the instance; the latest if there is none.
    pub instance: Option<String>,
    /// The export.
    pub export: String,
    /// What is done with it.
    pub expression: Expression,
}

/// What can be done with an export.
#[derive(Debug, Clone)]
pub enum Expression {
    /// A function is called.
    Call(Vec<Argument>),
    /// A global is read.
    Get,
}

/// What must be true.
#[derive(Debug, Clone)]
pub enum Assertion {
    /// An action has these results.
    Return {
        /// What is done.
        action: Action,
        /// One for each result.
        results: Vec<Expected>,
    },
    /// An action traps.
    Trap {
        /// What is done.
        action: Action,
        /// Part of the trap's message.
        message: String,
    },
    /// An action ends with an exception that nothing catches.
    Exception {
        /// What is done.
        action: Action,
    },
    /// An action uses up the stack.
    Exhaustion {
        /// What is done.
        action: Action,
        /// Part of the trap's message.
        message: String,
    },
    /// Instantiating a module traps.
    TrapOnInstantiation {
        /// The module.
        source: Source,
        /// Part of the trap's message.
        message: String,
    },
    /// A module's imports cannot be resolved.
    Unlinkable {
        /// The module.
        source: Source,
        /// Part of the error's message.
        message: String,
    },
    /// A module can be decoded, but is not valid.
    Invalid {
        /// The module.
        source: Source,
        /// What the specification's interpreter says about it.
        message: String,
    },
    /// A module cannot be read at all.
    Malformed {
        /// The module.
        source: Source,
        /// What the specification's interpreter says about it.
        message: String,
    },
}
