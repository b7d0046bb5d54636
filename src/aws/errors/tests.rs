use super::*;
use crate::publish::Next;
use std::time::UNIX_EPOCH;

const NOW: u64 = 1_700_000_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

fn answer(status: u16, code: &str, message: &str) -> Answer {
    Answer {
        code: (!code.is_empty()).then(|| code.to_owned()),
        of_aws: !code.is_empty(),
        message: message.to_owned(),
        status,
        after: None,
        clock_difference: None,
    }
}

/// The variant's name, or the reason of a refusal.
fn kind(status: u16, code: &str) -> &'static str {
    match decide(Service::CloudWatchLogs, "logs:PutLogEvents", &answer(status, code, "why")) {
        PutError::Throttled { .. } => "throttled",
        PutError::Unreachable { .. } => "unreachable",
        PutError::Failed { .. } => "failed",
        PutError::Intercepted { .. } => "intercepted",
        PutError::SignIn { .. } => "not signed in",
        PutError::Credentials { .. } => "credentials",
        PutError::Denied { .. } => "denied",
        PutError::NotNow { .. } => "not now",
        PutError::Missing { .. } => "missing",
        PutError::Refused { .. } => "refused",
    }
}

#[test]
fn each_code_has_its_cause() {
    let table: &[(&str, &[&str])] = &[
        ("throttled", &["Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"]),
        ("not now", &["OperationAbortedException", "LimitExceededException", "ServiceQuotaExceededException"]),
        (
            "credentials",
            &[
                "ExpiredToken",
                "ExpiredTokenException",
                "UnrecognizedClientException",
                "InvalidClientTokenId",
                "SignatureDoesNotMatch",
                "InvalidSignatureException",
                "MissingAuthenticationToken",
                "RequestExpired",
            ],
        ),
        ("denied", &["AccessDenied", "AccessDeniedException", "NotAuthorized"]),
        ("missing", &["ResourceNotFoundException"]),
        (
            "refused",
            &[
                "InvalidParameterException",
                "InvalidParameterValue",
                "InvalidParameterCombination",
                "MissingParameter",
                "ValidationError",
                "SerializationException",
                "DataAlreadyAcceptedException",
            ],
        ),
        ("failed", &["InvalidSequenceTokenException", "InvalidAction", "SomethingNew"]),
    ];
    for (expected, codes) in table {
        for code in *codes {
            assert_eq!(kind(400, code), *expected, "{code}");
        }
    }
}

#[test]
fn without_a_known_code_the_status_decides() {
    assert_eq!(kind(429, "SomethingNew"), "throttled");
    assert_eq!(kind(503, "ServiceUnavailableException"), "failed");
    let ours = |status| decide(Service::CloudWatchLogs, "", &Answer { of_aws: true, ..answer(status, "", "") });
    for status in [400, 403, 404, 413, 500, 503] {
        assert!(matches!(ours(status), PutError::Failed { .. }), "{status}");
    }
    assert!(matches!(ours(429), PutError::Throttled { .. }));
    assert!(crate::telemetry::chain(&ours(500)).ends_with("on its side: HTTP 500 without the name of an error"));
    assert!(crate::telemetry::chain(&ours(200)).ends_with("HTTP 200 with a body that this call does not have"));
}

#[test]
fn what_aws_did_not_answer_says_nothing_about_the_batch_and_is_told_so() {
    for status in [200, 204, 302, 400, 403, 404, 405, 407, 413, 414, 422, 431, 501, 502] {
        assert_eq!(kind(status, ""), "intercepted", "{status}");
    }
    let after = Some(Duration::from_secs(7));
    let error = decide(Service::CloudWatchLogs, "", &Answer { after, ..answer(413, "", "") });
    assert_eq!(error.next(), Next::Retry(after));
    let text = crate::telemetry::chain(&error);
    let start =
        "a proxy or gateway answered, not CloudWatch Logs: HTTP 413; it does not let a body of this size through";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn a_missing_resource_of_cloudwatch_is_no_missing_log_group() {
    let answer = answer(404, "ResourceNotFoundException", "gone");
    let error = decide(Service::CloudWatch, "cloudwatch:PutMetricData", &answer);
    assert!(matches!(error, PutError::Failed { .. }), "{error:?}");
}

#[test]
fn a_denial_names_the_action_and_a_refusal_the_reason() {
    let denied = decide(Service::CloudWatchLogs, "logs:PutLogEvents", &answer(400, "AccessDeniedException", "no"));
    assert!(denied.to_string().contains("logs:PutLogEvents"), "{denied}");
    let refused =
        decide(Service::CloudWatchLogs, "logs:PutLogEvents", &answer(400, "InvalidParameterException", "bad\n  time"));
    assert!(refused.to_string().ends_with("InvalidParameterException: bad time"), "{refused}");
}

#[test]
fn the_hint_when_to_come_back_is_read_in_all_its_forms() {
    let hint = |name: &'static str, value: &'static str| {
        let mut headers = Headers::new();
        headers.insert(name, value);
        retry_after(&headers, now())
    };
    assert_eq!(hint("retry-after", "7"), Some(Duration::from_secs(7)));
    assert_eq!(hint("x-amz-retry-after", "1500"), Some(Duration::from_millis(1500)));
    assert_eq!(hint("retry-after", "Tue, 14 Nov 2023 22:13:30 GMT"), Some(Duration::from_secs(10)));
    assert_eq!(hint("retry-after", "Tue, 14 Nov 2023 22:13:10 GMT"), None);
    assert_eq!(hint("retry-after", "soon"), None);
    let after = Some(Duration::from_secs(7));
    let slow = decide(Service::CloudWatch, "", &Answer { after, ..answer(503, "SomethingNew", "") });
    assert!(matches!(slow, PutError::Throttled { after: Some(_), .. }), "{slow:?}");
}

#[test]
fn a_wrong_clock_is_told_in_seconds() {
    let mut headers = Headers::new();
    headers.insert("date", "Tue, 14 Nov 2023 22:23:20 GMT");
    let difference = clock_difference(&headers, now());
    assert_eq!(difference, Some(Duration::from_secs(600)));
    let skewed =
        Answer { clock_difference: difference, ..answer(403, "InvalidSignatureException", "Signature expired") };
    let PutError::Credentials { source, .. } = decide(Service::CloudWatchLogs, "", &skewed) else {
        panic!("credentials")
    };
    assert!(source.to_string().contains("by 600 seconds"), "{source}");
    let near = Answer { clock_difference: Some(Duration::from_secs(2)), ..skewed };
    let PutError::Credentials { source, .. } = decide(Service::CloudWatchLogs, "", &near) else {
        panic!("credentials")
    };
    assert_eq!(source.to_string(), "InvalidSignatureException: Signature expired");
}

#[test]
fn a_text_is_one_line_without_the_request_that_a_wrong_signature_drags_along() {
    let message = "The request signature\nwe calculated does not match.\n\nThe Canonical String for this request should \
                   have been\n'POST\n/\nx-amz-security-token:seKret'";
    assert_eq!(one_line(message), "The request signature we calculated does not match.");
    assert_eq!(one_line(&"x".repeat(1000)).len(), MOST_TEXT + 3);
}

#[test]
fn a_chain_says_nothing_twice() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer: inner")]
    struct Outer(#[source] std::io::Error);
    assert_eq!(Cause::of(&Outer(std::io::Error::other("inner"))).to_string(), "outer: inner");
}

#[test]
fn what_needs_no_connection_to_fail_is_explained_plainly_before_the_libraries_words() {
    for (words, plain) in [
        ("failed to apply endpoint", "check AWS_ENDPOINT_URL"),
        ("tcp open error: Too many open files (os error 24)", "LimitNOFILE"),
    ] {
        let text = Cause::of(&std::io::Error::other(words)).to_string();
        assert!(text.contains(plain) && text.ends_with(&format!("({words})")), "{text}");
        // What was explained once is not explained again on its way up.
        assert_eq!(Cause::of(&Cause::new(&text)).to_string(), text);
    }
}

#[test]
fn who_waits_for_a_login_hears_in_short_why_there_is_none() {
    use crate::aws::auth::{Shared, SignInError};
    let brief = |error| Shared::from(error).brief().to_string();
    assert_eq!(brief(SignInError::NoCredentials), "no AWS credentials were found");
    assert_eq!(brief(SignInError::Login(SignInError::NoRegion.into())), "no AWS region is set");
    let (who, source) = ("AWS STS", Cause::new("a long story"));
    assert_eq!(brief(SignInError::Unreachable { who, source: source.clone() }), "AWS STS could not be reached");
    assert_eq!(brief(SignInError::Refused { advice: "do this".to_owned(), source }), "the login was refused");
}
