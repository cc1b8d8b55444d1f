//! From text to a [`Script`].

use super::value::Value;
use crate::read::{ReadError, assertions_in, encode, for_each_directive, line_of, name, source};
use crate::script::Source;
use crate::sorted::{Kind, Sorter};
use wast::core::{NanPattern, WastArgCore, WastRetCore};
use wast::{WastArg, WastDirective, WastExecute, WastInvoke, WastRet};

/// The commands of a script that are about components, in order.
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

/// What a command does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Defines a component and instantiates it.
    Component {
        /// Name of both, without the dollar sign.
        name: Option<String>,
        /// The component.
        source: Source,
    },
    /// Defines a component.
    Define {
        /// Its name.
        name: Option<String>,
        /// The component.
        source: Source,
    },
    /// Instantiates a defined component.
    Instantiate {
        /// Name of the instance.
        name: Option<String>,
        /// Name of the component; the latest if there is none.
        component: Option<String>,
    },
    /// Calls a function whose result does not matter.
    Call(Call),
    /// Asserts that a call has this result.
    AssertReturn(Call, Option<Value>),
    /// Asserts that a call traps, with a part of the message.
    AssertTrap(Call, String),
    /// Asserts that instantiation traps, with a part of the message.
    AssertTrapOnInstantiation(Source, String),
    /// Asserts that a component is refused, with what the script says is wrong.
    AssertRefused(Source, String),
    /// What this runner cannot do, with the number of assertions in it.
    Skip {
        /// The missing ability.
        reason: &'static str,
        /// Assertions that are not checked for that.
        assertions: usize,
    },
}

/// A call of an exported function.
#[derive(Debug, Clone)]
pub struct Call {
    /// Name of the instance; the latest if there is none.
    pub instance: Option<String>,
    /// Name of the function.
    pub export: String,
    /// Its arguments.
    pub arguments: Vec<Value>,
}

/// Reads what a script has of components.
///
/// # Errors
///
/// When the text is no script. A component in it that cannot be parsed or encoded is no error but part of the script.
pub fn read(text: &str) -> Result<Script, ReadError> {
    let (mut commands, mut sorter) = (Vec::new(), Sorter::default());
    for_each_directive(text, |directive| {
        if sorter.kind(&directive) == Kind::Component {
            let line = line_of(text, directive.span());
            commands.push(Command { line, act: act(directive) });
        }
    })?;
    Ok(Script { commands })
}

fn act(directive: WastDirective<'_>) -> Act {
    let assertions = assertions_in(&directive);
    let converted = match directive {
        WastDirective::Module(module) => Ok(Act::Component { name: name(module.name()), source: source(module) }),
        WastDirective::ModuleDefinition(module) => {
            Ok(Act::Define { name: name(module.name()), source: source(module) })
        }
        WastDirective::ModuleInstance { instance, module, .. } => {
            Ok(Act::Instantiate { name: name(instance), component: name(module) })
        }
        WastDirective::Invoke(invoke) => call(invoke).map(Act::Call),
        WastDirective::AssertReturn { exec: WastExecute::Invoke(invoke), results, .. } => {
            call(invoke).and_then(|call| Ok(Act::AssertReturn(call, result(results)?)))
        }
        WastDirective::AssertTrap { exec: WastExecute::Invoke(invoke), message, .. } => {
            call(invoke).map(|call| Act::AssertTrap(call, message.to_owned()))
        }
        WastDirective::AssertTrap { exec: WastExecute::Wat(component), message, .. } => {
            Ok(Act::AssertTrapOnInstantiation(encode(component), message.to_owned()))
        }
        WastDirective::AssertInvalid { module, message, .. }
        | WastDirective::AssertMalformed { module, message, .. } => {
            Ok(Act::AssertRefused(source(module), message.to_owned()))
        }
        _ => Err("a directive that is not for components"),
    };
    converted.unwrap_or_else(|reason| Act::Skip { reason, assertions })
}

fn call(invoke: WastInvoke<'_>) -> Result<Call, &'static str> {
    // Floats are written as core modules' are.
    let argument = |argument| match argument {
        WastArg::Component(value) => Ok(Value::from(value)),
        WastArg::Core(WastArgCore::F32(value)) => Ok(Value::F32(value.bits)),
        WastArg::Core(WastArgCore::F64(value)) => Ok(Value::F64(value.bits)),
        _ => Err("a value of a core module's"),
    };
    let arguments = invoke.args.into_iter().map(argument).collect::<Result<_, _>>()?;
    Ok(Call { instance: name(invoke.module), export: invoke.name.to_owned(), arguments })
}

/// Functions of components have one result or none.
fn result(results: Vec<WastRet<'_>>) -> Result<Option<Value>, &'static str> {
    let mut results = results.into_iter();
    match (results.next(), results.next()) {
        (None, _) => Ok(None),
        (Some(WastRet::Component(value)), None) => Ok(Some(value.into())),
        (Some(WastRet::Core(WastRetCore::F32(value))), None) => Ok(Some(Value::F32(match value {
            NanPattern::Value(value) => value.bits,
            NanPattern::CanonicalNan | NanPattern::ArithmeticNan => f32::NAN.to_bits(),
        }))),
        (Some(WastRet::Core(WastRetCore::F64(value))), None) => Ok(Some(Value::F64(match value {
            NanPattern::Value(value) => value.bits,
            NanPattern::CanonicalNan | NanPattern::ArithmeticNan => f64::NAN.to_bits(),
        }))),
        (Some(_), None) => Err("a value of a core module's"),
        (Some(_), Some(_)) => Err("more than one result"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::count_assertions;

    const ALL_KINDS: &str = r#"(component $c)
(component definition $d (core module))
(component instance $i $d)
(invoke $i "f" (u32.const 1))
(assert_return (invoke "f" (list.const (str.const "a"))) (tuple.const (f32.const -0) (char.const "b")))
(assert_return (invoke $i "f"))
(assert_trap (invoke "f") "unreachable")
(assert_trap (component (core module $m (func unreachable) (start 0)) (core instance (instantiate $m))) "unreachable")
(assert_invalid (component (core instance (instantiate 0))) "unknown module")
(assert_malformed (component quote "(core") "unexpected")
(assert_malformed (component binary "\00") "unexpected end")
(assert_return (invoke "f") (i32.const 1))
(assert_return (invoke "f" (f64.const 1)) (f64.const nan:canonical))
"#;

    #[test]
    fn every_directive_becomes_a_command_on_its_line() {
        let script = read(ALL_KINDS).expect("a script");
        let lines: Vec<_> = script.commands.iter().map(|command| command.line).collect();
        assert_eq!(lines, (1..=13).collect::<Vec<_>>());
        let skipped: Vec<_> = script.commands.iter().filter(|c| matches!(c.act, Act::Skip { .. })).collect();
        assert!(matches!(skipped[..], [Command { line: 12, act: Act::Skip { assertions: 1, .. } }]), "{skipped:?}");
        assert_eq!(count_assertions(ALL_KINDS), Ok(9));
    }

    #[test]
    fn values_are_read() {
        let script = read(ALL_KINDS).expect("a script");
        let Act::AssertReturn(call, Some(result)) = &script.commands[4].act else { panic!("assert_return") };
        assert_eq!(call.arguments, [Value::List(vec![Value::String("a".to_owned())])]);
        assert_eq!(result, &Value::Tuple(vec![Value::F32(0x8000_0000), Value::Char('b')]));
    }
}
