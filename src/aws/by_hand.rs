//! What the services have in common that we call by hand, since their SDK crates weigh more than our few calls are worth: where they are,
//! and how they are reached. Both as the SDK's other clients have it; names and members of calls belong to whoever calls.
//!
//! `json` and `query` read what such services answer; `signed` signs, for what the login itself may do.
pub(super) mod json;
pub(super) mod query;
pub(super) mod signed;

use aws_smithy_runtime::client::orchestrator::operation::{Operation, OperationBuilder};
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::{SdkConfig, service_config::ServiceConfigKey};

/// The suffixes of the endpoints of each partition, by the start of the region's name: its own, and that of hosts with both kinds of
/// addresses. <https://docs.aws.amazon.com/general/latest/gr/rande.html> and the SDK's own partition table.
const SUFFIXES: [(&str, &str, &str); 7] = [
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-gov-", "amazonaws.com", "api.aws"),
];
/// Of all other regions.
const COMMERCIAL: (&str, &str) = ("amazonaws.com", "api.aws");

/// The suffix of all hosts of AWS in this region.
pub(super) fn suffix(region: &str) -> &'static str {
    suffixes(region).0
}

/// The same, and that of hosts with both kinds of addresses.
pub(super) fn suffixes(region: &str) -> (&'static str, &'static str) {
    let own = SUFFIXES.iter().find(|(start, ..)| region.starts_with(start));
    own.map_or(COMMERCIAL, |(_, plain, dual)| (plain, dual))
}

/// Whether the region is of the commercial partition.
pub(super) fn is_commercial(region: &str) -> bool {
    !SUFFIXES.iter().any(|(start, ..)| region.starts_with(start))
}

/// The endpoint of a service: the one that is set for it, else by `rule` that of its region, FIPS, both kinds of addresses.
/// `id` is the service's name in variables and profiles, in capitals and with underscores there.
///
/// # Errors
/// When the configuration asks for what excludes each other.
pub(super) fn endpoint(
    id: &'static str,
    config: &SdkConfig,
    rule: impl FnOnce(bool, bool) -> String,
) -> Result<String, &'static str> {
    let (fips, dualstack) = (config.use_fips().unwrap_or(false), config.use_dual_stack().unwrap_or(false));
    match own(id, config) {
        // The words of the SDK, whose other clients say the same.
        Some(_) if fips => Err("Invalid Configuration: FIPS and custom endpoint are not supported"),
        Some(_) if dualstack => Err("Invalid Configuration: Dualstack and custom endpoint are not supported"),
        Some(url) => Ok(url),
        None => Ok(rule(fips, dualstack)),
    }
}

/// A call of this service at this endpoint: one attempt, unsigned, with time-outs and connections of the configuration.
pub(super) fn call(id: &'static str, name: &'static str, url: &str, config: &SdkConfig) -> OperationBuilder {
    let mut call = Operation::builder()
        .service_name(id)
        .operation_name(name)
        .endpoint_url(url)
        .timeout_config(config.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .with_connection_poisoning()
        .no_auth()
        .no_retry();
    if let Some(http) = config.http_client() {
        call = call.http_client(http);
    }
    if let Some(sleep) = config.sleep_impl() {
        call = call.sleep_impl(sleep);
    }
    call
}

/// What the configuration says for all services; else what environment and profile say for this one, or for all.
fn own(id: &'static str, config: &SdkConfig) -> Option<String> {
    let of_all = || config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return of_all();
    }
    let key = ServiceConfigKey::builder().service_id(id).env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok();
    key.and_then(|key| config.service_config()?.load_config(key)).or_else(of_all)
}
