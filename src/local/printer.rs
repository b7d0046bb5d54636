//! A destination that sends nothing: it prints each request that would be sent as one line of JSON.
use crate::{
    model::{LogBatch, MetricBatch, Resolution, Target, Timestamp, Values},
    publish::{Put, PutError, PutFuture, Rejected, Service},
};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    sync::{Arc, OnceLock},
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Prints to the writer it was made with. Accepts everything, as long as that does.
pub struct Printer<W> {
    out: Arc<Mutex<W>>,
    trouble: Arc<Trouble>,
}

/// Why nothing can be printed any more. A closed pipe stays closed and a full disk is for a person: there is nothing to wait for.
#[derive(Debug, Default)]
pub struct Trouble {
    error: OnceLock<io::ErrorKind>,
    happened: CancellationToken,
}

impl Trouble {
    /// Waits until something could not be printed.
    pub async fn happened(&self) -> io::ErrorKind {
        self.happened.cancelled().await;
        *self.error.get().expect("told before it happened")
    }

    fn tell(&self, error: io::ErrorKind) {
        self.error.get_or_init(|| error);
        self.happened.cancel();
    }
}

impl<W: Write + Send + 'static> Printer<W> {
    /// Print to `out`.
    pub fn new(out: W) -> Self {
        Self { out: Arc::new(Mutex::new(out)), trouble: Arc::default() }
    }

    /// To hear when `out` takes no more.
    pub fn trouble(&self) -> Arc<Trouble> {
        self.trouble.clone()
    }

    /// What could not be printed does not count as sent. Whoever reads may stop reading (a pager does), so this waits elsewhere than
    /// on the thread that everything else needs.
    async fn print(&self, operation: &str, request: &Value) -> Result<(), PutError> {
        let line = json!({"operation": operation, "request": request}).to_string();
        let mut out = self.out.clone().lock_owned().await;
        let printed = tokio::task::spawn_blocking(move || writeln!(out, "{line}").and_then(|()| out.flush()));
        printed.await.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(|error| {
            self.trouble.tell(error.kind());
            PutError::Unreachable { service: Service::Output, source: error.into() }
        })
    }
}

impl<W: Write + Send + 'static> Put for Printer<W> {
    fn metrics<'a>(&'a self, batch: &'a MetricBatch) -> PutFuture<'a, ()> {
        let datums: Vec<_> = batch
            .points
            .iter()
            .map(|p| {
                let dimensions: Vec<_> =
                    p.dimensions.iter().map(|d| json!({"Name": d.name, "Value": d.value})).collect();
                let (name, unit, at) = (&p.name, p.unit.as_str(), p.at.rfc3339());
                let mut datum = json!({"MetricName": name, "Unit": unit, "Timestamp": at, "Dimensions": dimensions});
                match &p.value {
                    Values::One(value) => datum["Value"] = json!(value),
                    Values::Many(values) => {
                        let (values, counts): (Vec<_>, Vec<_>) = values.iter().copied().unzip();
                        (datum["Values"], datum["Counts"]) = (json!(values), json!(counts));
                    }
                }
                if p.resolution == Resolution::Second {
                    datum["StorageResolution"] = json!(1);
                }
                datum
            })
            .collect();
        let request = json!({"Namespace": batch.namespace, "MetricData": datums});
        Box::pin(async move { self.print("PutMetricData", &request).await })
    }

    fn logs<'a>(&'a self, batch: &'a LogBatch) -> PutFuture<'a, Rejected> {
        Box::pin(async move {
            let request = serde_json::from_slice(&batch.body)
                .map_err(|error| PutError::Refused { service: Service::Output, reason: error.to_string() })?;
            self.print("PutLogEvents", &request).await?;
            Ok(Rejected::default())
        })
    }

    // Whether a group exists is not known without asking, so nothing is ever reported missing and nothing is made.
    fn create_group<'a>(&'a self, _: &'a Target) -> PutFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn create_stream<'a>(&'a self, _: &'a Target) -> PutFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn set_retention<'a>(&'a self, _: &'a Target) -> PutFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn renew(&self) -> PutFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Nobody else's clock is asked in a dry run.
    fn service_time(&self) -> Option<Timestamp> {
        Some(Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dimension, Point, Resolution, Unit};

    #[tokio::test]
    async fn each_request_is_one_line_of_json() {
        let printer = Printer::new(vec![]);
        let dimensions = [Dimension::new("InstanceId", "sys-1")].into();
        let (at, unit, resolution) = (Timestamp::from_millis(0), Unit::Percent, Resolution::Minute);
        let point = Point { name: "CPUUtilization".into(), value: 1.5.into(), unit, at, dimensions, resolution };
        let batch = MetricBatch { namespace: "N".into(), points: vec![point] };
        printer.metrics(&batch).await.expect("memory takes all");
        let out = printer.out.lock().await;
        let line: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(line["operation"], "PutMetricData");
        assert_eq!(line["request"]["MetricData"][0]["Dimensions"][0]["Value"], "sys-1");
        assert_eq!(out.iter().filter(|&&b| b == b'\n').count(), 1);
    }

    /// A pipe that nobody reads.
    struct Stuck(std::sync::mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // The end of the test is the end of the wait.
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_reader_that_stops_reading_holds_up_nothing_else() {
        let (read, stuck) = std::sync::mpsc::channel();
        let printer = Printer::new(Stuck(stuck));
        let batch = MetricBatch { namespace: "N".into(), points: vec![] };
        let mut printing = printer.metrics(&batch);
        for _ in 0..100 {
            assert!(futures_util::poll!(&mut printing).is_pending());
            tokio::task::yield_now().await;
        }
        drop(read);
        printing.await.expect("it is read again");
    }
}
