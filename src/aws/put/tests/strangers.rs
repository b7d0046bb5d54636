//! Answers that AWS did not give, and what its own tell about the time.
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

#[tokio::test]
async fn each_answer_of_the_service_tells_its_time() {
    for status in [200, 400] {
        let (_fake, connection) = aws(move |_| {
            let mut reply =
                if status == 200 { json(200, "{}") } else { error(400, "InvalidSignatureException", "old") };
            reply.headers_mut().insert("date", "Tue, 14 Nov 2073 22:13:20 GMT".parse().expect("a value"));
            reply
        })
        .await;
        assert_eq!(connection.put.skew(), Default::default());
        assert_eq!(connection.put.logs(&log_batch()).await.is_ok(), status == 200);
        let skew = connection.put.skew();
        assert!(skew.is_behind() && skew.magnitude() > Duration::from_hours(24 * 365), "{status}: {skew:?}");
    }
}
