//! The program: everything else is in the library.
use std::process::ExitCode;

fn main() -> ExitCode {
    amazon_cloudwatch_publisher::main()
}
