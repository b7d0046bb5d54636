//! Answers that AWS did not give.
use super::*;

fn bare(status: u16, body: &'static str) -> Reply {
    let mut reply = reply(status, "text/html", body);
    reply.headers_mut().clear();
    reply
}

/// A 200 that the SDK alone would take.
fn with_error_type() -> Reply {
    let mut reply = json(200, "{}");
    reply.headers_mut().insert("x-amzn-errortype", "ThrottlingException".parse().expect("a value"));
    reply
}

#[tokio::test]
async fn nothing_counts_as_delivered_or_made_that_aws_did_not_answer() {
    let cases: [fn() -> Reply; 6] = [
        || bare(200, ""),
        || bare(204, ""),
        || reply(200, "text/html", "<html>sign in</html>"),
        || reply(200, "application/json", "{}"),
        || json(200, r#"{"message":"maintenance"}"#),
        with_error_type,
    ];
    for answer in cases {
        let (_fake, connection) = aws(move |_| answer()).await;
        let (put, target) = (&connection.put, target());
        let outcomes = [
            put.logs(&log_batch()).await.map(drop),
            put.create_group(&target).await,
            put.create_stream(&target).await,
            put.set_retention(&target).await,
            put.metrics(&metric_batch(&[1.0])).await,
        ];
        for outcome in outcomes {
            let error = outcome.expect_err("no answer of AWS");
            assert!(matches!(error, PutError::Intercepted { .. }), "{error:?}");
            assert_eq!(error.next(), Next::Retry(None), "{}", printed(&error));
        }
    }
}

#[tokio::test]
async fn an_error_page_of_a_proxy_refuses_nothing_for_good() {
    for status in [400, 403, 404, 405, 413, 414, 415, 422, 431, 501, 505] {
        let (_fake, connection) = aws(move |_| reply(status, "text/html", "<html>no</html>")).await;
        let logs = connection.put.logs(&log_batch()).await.expect_err("an error");
        let metrics = connection.put.metrics(&metric_batch(&[1.0])).await.expect_err("an error");
        for error in [logs, metrics] {
            assert_eq!(error.next(), Next::Retry(None), "{status}: {}", printed(&error));
            assert!(printed(&error).contains("a proxy or gateway answered"), "{}", printed(&error));
        }
    }
}
