//! The two services of Cognito. Of both we make three calls, unsigned and in JSON; their own SDK crates have more than a hundred
//! calls and weigh more than all of this login. [`by_hand`] knows the rest, and the errors are those of the SDK's other clients.
//!
//! To make another call, name it; its body and its answer are JSON. <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>
use crate::aws::by_hand::{self, json};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
        result::SdkError,
    },
};
use aws_smithy_types::{body::SdkBody, error::ErrorMetadata};
use aws_types::SdkConfig;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use std::fmt;

/// In these commercial regions, Cognito's hosts of FIPS have both kinds of addresses under their plain names.
/// <https://docs.aws.amazon.com/general/latest/gr/cognito_identity.html>
const FIPS_REGIONS: [&str; 4] = ["us-east-1", "us-east-2", "us-west-1", "us-west-2"];

/// Where a service is and what it is called.
#[derive(Debug)]
pub(in crate::aws) struct Kind {
    /// In variables and profiles, in capitals and with underscores there.
    id: &'static str,
    /// The first part of its host name.
    host: &'static str,
    /// What names the service in front of each call.
    target: &'static str,
}

pub(in crate::aws) const POOLS: Kind =
    Kind { id: "Cognito Identity Provider", host: "cognito-idp", target: "AWSCognitoIdentityProviderService" };
pub(in crate::aws) const IDENTITIES: Kind =
    Kind { id: "Cognito Identity", host: "cognito-identity", target: "AWSCognitoIdentityService" };

pub(in crate::aws) type CallError = SdkError<ErrorMetadata, HttpResponse>;

/// One of the two, somewhere.
#[derive(Debug)]
pub(in crate::aws) struct Service {
    kind: &'static Kind,
    url: String,
    config: SdkConfig,
}

/// What a call answered. Never printed: there are keys in it.
pub(in crate::aws) struct Members(Map<String, Value>);

impl Service {
    /// # Errors
    /// When the configuration asks for what excludes each other.
    pub(in crate::aws) fn new(kind: &'static Kind, config: &SdkConfig, region: &str) -> Result<Self, &'static str> {
        let url = by_hand::endpoint(kind.id, config, |fips, dualstack| rule(kind, region, fips, dualstack))?;
        Ok(Self { kind, url, config: config.clone() })
    }

    /// One attempt: trying again is the work of `Renewing`.
    pub(in crate::aws) async fn call(&self, name: &'static str, body: &Value) -> Result<Members, CallError> {
        let target = format!("{}.{name}", self.kind.target);
        let call = by_hand::call(self.kind.id, name, &self.url, &self.config);
        let call = call.serializer(move |body: SecretString| request(&target, &body)).deserializer(answer).build();
        call.invoke(body.to_string().into()).await
    }
}

impl Members {
    /// The object with this name.
    pub(in crate::aws) fn object(&mut self, name: &str) -> Option<Self> {
        match self.0.remove(name) {
            Some(Value::Object(members)) => Some(Self(members)),
            _ => None,
        }
    }

    /// The text with this name.
    pub(in crate::aws) fn text(&mut self, name: &str) -> Option<String> {
        match self.0.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The value with this name, null or not.
    pub(in crate::aws) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").finish_non_exhaustive()
    }
}

/// The rules of both services, which are the same.
pub(in crate::aws) fn rule(kind: &Kind, region: &str, fips: bool, dualstack: bool) -> String {
    let (plain, dual) = by_hand::suffixes(region);
    // In the commercial regions the plain hosts have both kinds of addresses; of FIPS, only some.
    let dual_is_plain = by_hand::is_commercial(region) && (!fips || FIPS_REGIONS.contains(&region));
    let (variant, suffix) = (if fips { "-fips" } else { "" }, if dualstack && !dual_is_plain { dual } else { plain });
    format!("https://{}{variant}.{region}.{suffix}", kind.host)
}

fn request(target: &str, body: &SecretString) -> Result<HttpRequest, BoxError> {
    let mut request = HttpRequest::new(SdkBody::from(body.expose_secret()));
    request.set_method("POST")?;
    request.set_uri("/")?;
    let headers = request.headers_mut();
    headers.try_insert("content-type", "application/x-amz-json-1.1")?;
    headers.try_insert("x-amz-target", target.to_owned())?;
    headers.try_insert("user-agent", concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))?;
    Ok(request)
}

fn answer(response: &HttpResponse) -> Result<Members, OrchestratorError<ErrorMetadata>> {
    json::answer(response).map(Members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(region: &str, fips: bool, dualstack: bool) -> String {
        rule(&POOLS, region, fips, dualstack)
    }

    /// As the SDK's own clients resolve them.
    #[test]
    fn each_partition_and_variant_has_its_host() {
        assert_eq!(rule(&IDENTITIES, "eu-west-1", false, false), "https://cognito-identity.eu-west-1.amazonaws.com");
        for region in ["us-east-1", "us-west-2"] {
            assert_eq!(url(region, true, false), format!("https://cognito-idp-fips.{region}.amazonaws.com"));
            assert_eq!(url(region, false, true), format!("https://cognito-idp.{region}.amazonaws.com"));
            assert_eq!(url(region, true, true), format!("https://cognito-idp-fips.{region}.amazonaws.com"));
        }
        assert_eq!(url("ca-central-1", false, true), "https://cognito-idp.ca-central-1.amazonaws.com");
        assert_eq!(url("ca-central-1", true, true), "https://cognito-idp-fips.ca-central-1.api.aws");
        for (region, plain, dual) in [
            ("cn-north-1", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
            ("us-gov-east-1", "amazonaws.com", "api.aws"),
            ("us-iso-east-1", "c2s.ic.gov", "api.aws.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov", "api.aws.scloud"),
        ] {
            assert_eq!(url(region, false, false), format!("https://cognito-idp.{region}.{plain}"));
            assert_eq!(url(region, true, false), format!("https://cognito-idp-fips.{region}.{plain}"));
            assert_eq!(url(region, false, true), format!("https://cognito-idp.{region}.{dual}"));
            assert_eq!(url(region, true, true), format!("https://cognito-idp-fips.{region}.{dual}"));
        }
    }

    fn error(status: u16, kind: Option<&'static str>, body: &'static str) -> OrchestratorError<ErrorMetadata> {
        let mut response = HttpResponse::new(status.try_into().expect("a status"), SdkBody::from(body));
        if let Some(kind) = kind {
            response.headers_mut().insert("x-amzn-errortype", kind);
        }
        answer(&response).expect_err("an error")
    }

    #[test]
    fn the_name_of_an_error_is_found_in_header_and_body_without_what_surrounds_it() {
        for (kind, body) in [
            (None, r#"{"__type":"com.amazonaws.cognito#NotAuthorizedException","message":"no"}"#),
            (None, r#"{"code":"NotAuthorizedException","Message":"no"}"#),
            (Some("NotAuthorizedException:http://internal.amazon.com/x/"), r#"{"__type":"Other","errorMessage":"no"}"#),
        ] {
            let error = error(400, kind, body);
            let error = error.as_operation_error().expect("of the service");
            assert_eq!((error.code(), error.message()), (Some("NotAuthorizedException"), Some("no")), "{body}");
        }
    }

    #[test]
    fn what_is_no_json_object_or_names_no_error_is_not_of_the_service() {
        for body in ["<html>", "[]", "{}", r#"{"message":"maintenance"}"#, ""] {
            assert!(!error(503, None, body).is_operation_error(), "{body}");
        }
        for body in ["<html>", "[]", "null"] {
            assert!(!error(200, None, body).is_operation_error(), "{body}");
        }
    }

    #[test]
    fn an_answer_is_not_printed() {
        let response = HttpResponse::new(200.try_into().expect("a status"), SdkBody::from(r#"{"IdToken":"seKret"}"#));
        let mut members = answer(&response).expect("an answer");
        assert!(!format!("{members:?}").contains("seKret"));
        assert_eq!(members.text("IdToken").as_deref(), Some("seKret"));
    }
}
