//! From text to a [`Script`]: parsing is the `wast` crate's, here its tree becomes ours.

use crate::script::{Act, Action, Assertion, Command, Expression, Script, Source};
use crate::sorted::{Kind, Sorter};
use crate::value::{Argument, Expected, Lanes, Nan};
use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::token::{F32, F64, Id, Span};
use wast::{QuoteWat, QuoteWatTest, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

/// The text is no script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct ReadError {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl ReadError {
    fn new(text: &str, error: &wast::Error) -> ReadError {
        let (line, column) = error.span().linecol_in(text);
        ReadError { line: line + 1, column: column + 1, message: error.message() }
    }
}

/// Reads what a script has of core modules.
///
/// # Errors
///
/// When the text is no script. A module in it that cannot be parsed or encoded is no error but part of
/// the script: scripts assert that of modules.
pub fn read(text: &str) -> Result<Script, ReadError> {
    let (mut commands, mut sorter) = (Vec::new(), Sorter::default());
    for_each_directive(text, |directive| {
        if sorter.kind(&directive) == Kind::Module {
            commands.push(command(text, directive));
        }
    })?;
    Ok(Script { commands })
}

/// The number of assertions in a script, found by looking at the keywords of its directives alone. It
/// shares nothing with [`read`] but the parser, and so tells when that loses one.
///
/// # Errors
///
/// When the text is no script.
pub fn count_assertions(text: &str) -> Result<usize, ReadError> {
    let mut count = 0;
    for_each_directive(text, |directive| count += assertions_in(&directive))?;
    Ok(count)
}

pub(crate) fn for_each_directive(text: &str, mut each: impl FnMut(WastDirective<'_>)) -> Result<(), ReadError> {
    let mut lexer = Lexer::new(text);
    // Scripts test names that look like other names.
    lexer.allow_confusing_unicode(true);
    let error = |error: wast::Error| ReadError::new(text, &error);
    let buffer = ParseBuffer::new_with_lexer(lexer).map_err(error)?;
    let script = parser::parse::<Wast<'_>>(&buffer).map_err(error)?;
    script.directives.into_iter().for_each(&mut each);
    Ok(())
}

pub(crate) fn assertions_in(directive: &WastDirective<'_>) -> usize {
    match directive {
        WastDirective::AssertReturn { .. }
        | WastDirective::AssertTrap { .. }
        | WastDirective::AssertExhaustion { .. }
        | WastDirective::AssertInvalid { .. }
        | WastDirective::AssertInvalidCustom { .. }
        | WastDirective::AssertMalformed { .. }
        | WastDirective::AssertMalformedCustom { .. }
        | WastDirective::AssertUnlinkable { .. }
        | WastDirective::AssertException { .. }
        | WastDirective::AssertSuspension { .. } => 1,
        WastDirective::Thread(thread) => thread.directives.iter().map(assertions_in).sum(),
        WastDirective::Module(_)
        | WastDirective::ModuleDefinition(_)
        | WastDirective::ModuleInstance { .. }
        | WastDirective::Register { .. }
        | WastDirective::Invoke(_)
        | WastDirective::Wait { .. } => 0,
    }
}

fn command(text: &str, directive: WastDirective<'_>) -> Command {
    let line = line_of(text, directive.span());
    let assertions = assertions_in(&directive);
    let skip = |reason| Act::Skip { reason, assertions };
    let act = match directive {
        WastDirective::Module(module) => Act::Module { name: name(module.name()), source: source(module) },
        WastDirective::ModuleDefinition(module) => Act::Define { name: name(module.name()), source: source(module) },
        WastDirective::ModuleInstance { instance, module, .. } => {
            Act::Instantiate { name: name(instance), module: name(module) }
        }
        WastDirective::Register { name: import, module, .. } => {
            Act::Register { import: import.to_owned(), instance: name(module) }
        }
        WastDirective::Invoke(invoke) => Act::Perform(call(invoke)),
        WastDirective::AssertReturn { exec, results, .. } => assert_return(exec, results),
        WastDirective::AssertTrap { exec, message, .. } => assert_trap(exec, message.to_owned()),
        WastDirective::AssertExhaustion { call: invoke, message, .. } => {
            Act::Assert(Assertion::Exhaustion { action: call(invoke), message: message.to_owned() })
        }
        WastDirective::AssertUnlinkable { module, message, .. } => {
            Act::Assert(Assertion::Unlinkable { source: encode(module), message: message.to_owned() })
        }
        WastDirective::AssertInvalid { module, message, .. } => {
            Act::Assert(Assertion::Invalid { source: source(module), message: message.to_owned() })
        }
        // Malformed custom sections of the text format are the text parser's to find.
        WastDirective::AssertMalformed { module, message, .. }
        | WastDirective::AssertMalformedCustom { module, message, .. } => {
            Act::Assert(Assertion::Malformed { source: source(module), message: message.to_owned() })
        }
        WastDirective::AssertInvalidCustom { .. } => skip("validation of custom sections"),
        WastDirective::AssertException { exec, .. } => assert_exception(exec),
        WastDirective::AssertSuspension { .. } => skip("stack switching"),
        WastDirective::Thread(_) | WastDirective::Wait { .. } => skip("threads"),
    };
    Command { line, act }
}

fn assert_return(exec: WastExecute<'_>, results: Vec<WastRet<'_>>) -> Act {
    let results = results.into_iter().map(expected).collect();
    match action(exec) {
        Ok(action) => Act::Assert(Assertion::Return { action, results }),
        Err(_) => Act::Skip { reason: "results of an instantiation", assertions: 1 },
    }
}

fn assert_exception(exec: WastExecute<'_>) -> Act {
    match action(exec) {
        Ok(action) => Act::Assert(Assertion::Exception { action }),
        Err(_) => Act::Skip { reason: "exceptions of an instantiation", assertions: 1 },
    }
}

fn assert_trap(exec: WastExecute<'_>, message: String) -> Act {
    Act::Assert(match action(exec) {
        Ok(action) => Assertion::Trap { action, message },
        Err(module) => Assertion::TrapOnInstantiation { source: encode(module), message },
    })
}

/// What is executed, unless it is the instantiation of a module.
fn action(exec: WastExecute<'_>) -> Result<Action, Wat<'_>> {
    match exec {
        WastExecute::Invoke(invoke) => Ok(call(invoke)),
        WastExecute::Get { module, global, .. } => {
            Ok(Action { instance: name(module), export: global.to_owned(), expression: Expression::Get })
        }
        WastExecute::Wat(module) => Err(module),
    }
}

fn call(invoke: WastInvoke<'_>) -> Action {
    Action {
        instance: name(invoke.module),
        export: invoke.name.to_owned(),
        expression: Expression::Call(invoke.args.into_iter().map(argument).collect()),
    }
}

pub(crate) fn name(id: Option<Id<'_>>) -> Option<String> {
    id.map(|id| id.name().to_owned())
}

pub(crate) fn line_of(text: &str, span: Span) -> usize {
    span.linecol_in(text).0 + 1
}

pub(crate) fn encode(mut module: Wat<'_>) -> Source {
    module.encode().map(Into::into).map_err(|error| error.message())
}

pub(crate) fn source(mut module: QuoteWat<'_>) -> Source {
    match module.to_test().map_err(|error| error.message())? {
        QuoteWatTest::Binary(bytes) => Ok(bytes.into()),
        QuoteWatTest::Text(text) => {
            let text = std::str::from_utf8(&text).map_err(|_| "malformed UTF-8 encoding".to_owned())?;
            let buffer = ParseBuffer::new(text).map_err(|error| error.message())?;
            let module = parser::parse::<Wat<'_>>(&buffer).map_err(|error| error.message())?;
            encode(module)
        }
    }
}

fn argument(argument: WastArg<'_>) -> Argument {
    let WastArg::Core(argument) = argument else { return Argument::Foreign };
    match argument {
        WastArgCore::I32(value) => Argument::I32(value),
        WastArgCore::I64(value) => Argument::I64(value),
        WastArgCore::F32(value) => Argument::F32(value.bits),
        WastArgCore::F64(value) => Argument::F64(value.bits),
        WastArgCore::V128(value) => Argument::V128(u128::from_le_bytes(value.to_le_bytes())),
        WastArgCore::RefNull(heap) if is_extern(&heap) => Argument::NullExtern,
        WastArgCore::RefNull(_) => Argument::NullFunc,
        WastArgCore::RefExtern(number) | WastArgCore::RefHost(number) => Argument::Extern(number),
    }
}

fn expected(result: WastRet<'_>) -> Expected {
    match result {
        WastRet::Core(result) => core_expected(result),
        _ => Expected::Foreign("a component's value"),
    }
}

fn core_expected(result: WastRetCore<'_>) -> Expected {
    match result {
        WastRetCore::I32(value) => Expected::I32(value),
        WastRetCore::I64(value) => Expected::I64(value),
        WastRetCore::F32(value) => Expected::F32(single(value)),
        WastRetCore::F64(value) => Expected::F64(double(value)),
        WastRetCore::V128(value) => Expected::V128(lanes(value)),
        WastRetCore::RefNull(None) => Expected::Null,
        WastRetCore::RefNull(Some(heap)) if is_extern(&heap) => Expected::NullExtern,
        WastRetCore::RefNull(Some(_)) => Expected::NullFunc,
        WastRetCore::RefExtern(number) => Expected::Extern(number),
        WastRetCore::RefFunc(_) => Expected::Func,
        WastRetCore::RefHost(_) => Expected::Foreign("ref.host"),
        WastRetCore::RefAny => Expected::Foreign("ref.any"),
        WastRetCore::RefEq => Expected::Foreign("ref.eq"),
        WastRetCore::RefArray => Expected::Foreign("ref.array"),
        WastRetCore::RefStruct => Expected::Foreign("ref.struct"),
        WastRetCore::RefI31 => Expected::Foreign("ref.i31"),
        WastRetCore::RefI31Shared => Expected::Foreign("ref.i31_shared"),
        WastRetCore::Either(choices) => Expected::Either(choices.into_iter().map(core_expected).collect()),
    }
}

fn is_extern(heap: &HeapType<'_>) -> bool {
    matches!(heap, HeapType::Abstract { ty: AbstractHeapType::Extern | AbstractHeapType::NoExtern, .. })
}

fn single(pattern: NanPattern<F32>) -> Nan<u32> {
    match pattern {
        NanPattern::Value(value) => Nan::Bits(value.bits),
        NanPattern::CanonicalNan => Nan::Canonical,
        NanPattern::ArithmeticNan => Nan::Arithmetic,
    }
}

fn double(pattern: NanPattern<F64>) -> Nan<u64> {
    match pattern {
        NanPattern::Value(value) => Nan::Bits(value.bits),
        NanPattern::CanonicalNan => Nan::Canonical,
        NanPattern::ArithmeticNan => Nan::Arithmetic,
    }
}

fn lanes(pattern: V128Pattern) -> Lanes {
    /// Lanes of `bits` bits each, the first in the low bits.
    fn join<const N: usize>(bits: u32, lanes: [u64; N]) -> Lanes {
        let mask = u128::MAX >> (128 - bits);
        Lanes::Bits(lanes.iter().rev().fold(0, |all, lane| all << bits | (u128::from(*lane) & mask)))
    }
    match pattern {
        V128Pattern::I8x16(lanes) => join(8, lanes.map(|lane| lane as u64)),
        V128Pattern::I16x8(lanes) => join(16, lanes.map(|lane| lane as u64)),
        V128Pattern::I32x4(lanes) => join(32, lanes.map(|lane| lane as u64)),
        V128Pattern::I64x2(lanes) => join(64, lanes.map(|lane| lane as u64)),
        V128Pattern::F32x4(lanes) => Lanes::F32(lanes.map(single)),
        V128Pattern::F64x2(lanes) => Lanes::F64(lanes.map(double)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_KINDS: &str = r#"(module $m (func (export "f") (result v128) (v128.const i8x16 -1 2 0 0 0 0 0 0 0 0 0 0 0 0 0 3)))
(register "m" $m)
(module definition $d (memory 1))
(module instance $i $d)
(invoke $m "f")
(assert_return (invoke "f") (v128.const i8x16 -1 2 0 0 0 0 0 0 0 0 0 0 0 0 0 3))
(assert_return (get $m "g") (either (f32.const nan:canonical) (f32.const 1)))
(assert_trap (invoke "f") "unreachable")
(assert_trap (module (func unreachable) (start 0)) "unreachable")
(assert_exhaustion (invoke "f") "call stack exhausted")
(assert_unlinkable (module (import "x" "y" (func))) "unknown import")
(assert_invalid (module (func (result i32))) "type mismatch")
(assert_malformed (module quote "(func (result") "unexpected token")
(assert_malformed (module binary "\00") "unexpected end")
(assert_exception (invoke "f"))
(thread $t (shared (module $m)) (assert_return (invoke "f")) (assert_trap (invoke "f") "x"))
(wait $t)
"#;

    #[test]
    fn every_directive_becomes_a_command_on_its_line() {
        let script = read(ALL_KINDS).expect("a script");
        let lines: Vec<usize> = script.commands.iter().map(|command| command.line).collect();
        assert_eq!(lines, (1..=17).collect::<Vec<_>>());
    }

    #[test]
    fn reading_loses_no_assertion() {
        let script = read(ALL_KINDS).expect("a script");
        let counted = |command: &Command| match &command.act {
            Act::Assert(_) => 1,
            Act::Skip { assertions, .. } => *assertions,
            _ => 0,
        };
        let read: usize = script.commands.iter().map(counted).sum();
        assert_eq!(read, 12);
        assert_eq!(count_assertions(ALL_KINDS), Ok(12));
    }

    #[test]
    fn values_keep_their_bits() {
        let script = read(ALL_KINDS).expect("a script");
        let Act::Assert(Assertion::Return { results, .. }) = &script.commands[5].act else { panic!("assert_return") };
        assert_eq!(results, &[Expected::V128(Lanes::Bits(0x03000000_00000000_00000000_000002ff))]);
        let Act::Assert(Assertion::Return { results, .. }) = &script.commands[6].act else { panic!("assert_return") };
        let one = Expected::F32(Nan::Bits(0x3f80_0000));
        assert_eq!(results, &[Expected::Either(vec![Expected::F32(Nan::Canonical), one])]);
    }

    #[test]
    fn text_that_cannot_be_parsed_is_part_of_the_script() {
        let script = read(ALL_KINDS).expect("a script");
        let Act::Assert(Assertion::Malformed { source, .. }) = &script.commands[12].act else { panic!("malformed") };
        assert!(source.is_err());
        let Act::Assert(Assertion::Malformed { source, .. }) = &script.commands[13].act else { panic!("malformed") };
        assert_eq!(source.as_deref(), Ok(&[0][..]));
    }

    #[test]
    fn values_of_components_are_none_that_a_module_knows() {
        let script = read(r#"(module) (assert_return (invoke "f" (u32.const 1)) (u32.const 1))"#).expect("a script");
        let Act::Assert(Assertion::Return { action, results }) = &script.commands[1].act else { panic!("return") };
        let Expression::Call(arguments) = &action.expression else { panic!("a call") };
        assert_eq!(arguments, &[Argument::Foreign]);
        assert!(matches!(results[..], [Expected::Foreign(_)]));
    }

    #[test]
    fn what_is_no_script_says_where() {
        let error = read("(module)\n  (assert_retrun)").expect_err("a misspelt keyword");
        assert_eq!((error.line, error.column), (2, 4));
    }
}
