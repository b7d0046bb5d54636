//! The agent's `env-config.json`: variables that its programs give themselves at the start. Here they come last.
use crate::{
    config::{Severity, finding::Finding},
    platform::files,
};
use std::{collections::BTreeMap, path::Path};

/// Bytes; that of the agent has a few hundred.
const LONGEST: u64 = 64 * 1024;

/// Of the variables that the agent itself writes there, those that are honoured as if they were those of the process.
pub const HONOURED: [&str; 6] =
    ["AWS_CA_BUNDLE", "AWS_USE_DUALSTACK_ENDPOINT", "CWAGENT_LOG_LEVEL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
/// Those that the libraries read of the process alone begin so.
const OF_THE_SDK: &str = "AWS_";
/// Nothing that could be done here.
const PASSED_OVER: [&str; 1] = ["AWS_SDK_LOG_LEVEL"];

/// The variables of the file. What cannot be read is said, and nothing comes of it.
pub fn read(path: &Path, findings: &mut Vec<Finding>) -> BTreeMap<String, String> {
    let mut say = |why: String| {
        findings.push(Finding { severity: Severity::Warning, ..Finding::of_file(path, why) });
    };
    let bytes = match files::read_small(path, LONGEST) {
        Ok(bytes) => bytes,
        Err(error) => {
            say(format!("cannot be read: {error}; ignored"));
            return BTreeMap::new();
        }
    };
    // The values may be secrets, and the library's words repeat them.
    let Ok(variables) = serde_json::from_slice::<BTreeMap<String, String>>(&bytes) else {
        say("is no JSON object of texts alone; ignored".into());
        return BTreeMap::new();
    };
    for name in variables.keys() {
        if name.starts_with(OF_THE_SDK) && !HONOURED.contains(&name.as_str()) && !PASSED_OVER.contains(&name.as_str()) {
            say(format!(
                "{name} is only put into values of the configuration that name it: for the way to AWS, set it for the daemon itself"
            ));
        }
    }
    variables
}
