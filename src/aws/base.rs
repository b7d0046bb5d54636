//! What all SDK clients share: region, endpoints, time-outs, the HTTP client.
//!
//! Loading it reads the AWS profile files and, only for the default chain without any region, asks instance metadata for
//! one. So it happens with the first login, in the background, and is tried again when it failed.
use super::{
    auth::{SignInError, cognito::region_of},
    chosen, profile,
};
use crate::config::{
    Severity, region,
    settings::{Authentication, Environment, Settings},
};
use aws_config::{
    BehaviorVersion, ConfigLoader, Region, environment::EnvironmentVariableRegionProvider, imds,
    meta::region::RegionProviderChain, profile::ProfileFileRegionProvider, provider_config::ProviderConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use aws_sdk_cloudwatch as cloudwatch;
use aws_sdk_cloudwatchlogs as cloudwatchlogs;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_types::{SdkConfig, app_name::AppName, os_shim_internal::Env};
use std::{fmt, time::Duration};
use tokio::sync::OnceCell;

/// To reach a server, proxy and TLS included.
pub(super) const CONNECT: Duration = Duration::from_secs(10);
/// For one attempt of a login's request.
const LOGIN_ATTEMPT: Duration = Duration::from_secs(30);

/// Loads the shared configuration when it is first needed.
pub(super) struct Base {
    region: Option<String>,
    /// Where the login's own settings place us, and whether instance metadata may be asked instead.
    guess: Guess,
    all: Option<String>,
    metrics: Option<String>,
    logs: Option<String>,
    dualstack: Option<bool>,
    fips: Option<bool>,
    /// What is said beside the configuration, and the same as the SDK's own code reads it.
    environment: Environment,
    env: Env,
    http: SharedHttpClient,
    loaded: OnceCell<SdkConfig>,
}

enum Guess {
    Metadata,
    Is(Option<Region>),
}

impl Base {
    pub(super) fn new(settings: &Settings, env: Env, http: SharedHttpClient) -> Self {
        let endpoints = &settings.agent.endpoints;
        let guess = match &settings.agent.authentication {
            Authentication::Chain => Guess::Metadata,
            Authentication::Cognito(cognito) => Guess::Is(region_of(&cognito.identity_pool_id, ':')),
            Authentication::Iot(iot) => Guess::Is(region_of_endpoint(&iot.url)),
        };
        Self {
            region: settings.agent.region.clone(),
            guess,
            all: endpoints.all.clone(),
            metrics: endpoints.metrics.clone(),
            logs: endpoints.logs.clone(),
            dualstack: endpoints.dualstack,
            fips: endpoints.fips,
            environment: settings.environment.clone(),
            env,
            http,
            loaded: OnceCell::new(),
        }
    }

    /// Region, endpoints and the rest, without credentials.
    pub(super) async fn config(&self) -> Result<&SdkConfig, SignInError> {
        self.loaded.get_or_try_init(|| self.load(self.region(self.loader()).no_credentials())).await
    }

    /// The same with a new default chain in it, which reads all its files again.
    pub(super) async fn with_chain(&self) -> Result<SdkConfig, SignInError> {
        let region = self.config().await?.region().cloned().ok_or(SignInError::NoRegion)?;
        let loader = self.loader().region(region.clone());
        let provider = || {
            let provider = ProviderConfig::without_region().with_http_client(self.http.clone());
            provider.with_retry_config(RetryConfig::disabled()).with_region(Some(region.clone()))
        };
        let loader = match (self.environment.chosen_profile(), self.environment.imds_retries()) {
            (Some(chosen), _) => loader.credentials_provider(chosen::keys(&chosen, &provider())),
            (None, Some(_)) => {
                loader.credentials_provider(chosen::chain(provider(), region.clone(), self.metadata()).await)
            }
            (None, None) => loader,
        };
        self.load(loader).await
    }

    /// What the login reads of the environment.
    pub(super) fn env(&self) -> &Env {
        &self.env
    }

    /// What is said beside the configuration.
    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// A client for PutMetricData: one request a call, compressed whatever its size.
    pub(super) async fn cloudwatch(
        &self,
        credentials: cloudwatch::config::SharedCredentialsProvider,
    ) -> Result<cloudwatch::Client, SignInError> {
        let mut builder = cloudwatch::config::Builder::from(self.config().await?)
            .credentials_provider(credentials)
            .retry_config(RetryConfig::disabled())
            .timeout_config(put_timeouts());
        if let Some(url) = &self.metrics {
            builder = builder.endpoint_url(url);
        }
        Ok(cloudwatch::Client::from_conf(builder.build()))
    }

    /// A client for PutLogEvents and its kin: one request a call.
    pub(super) async fn cloudwatchlogs(
        &self,
        credentials: cloudwatchlogs::config::SharedCredentialsProvider,
    ) -> Result<cloudwatchlogs::Client, SignInError> {
        let mut builder = cloudwatchlogs::config::Builder::from(self.config().await?)
            .credentials_provider(credentials)
            .retry_config(RetryConfig::disabled())
            .timeout_config(put_timeouts());
        if let Some(url) = &self.logs {
            builder = builder.endpoint_url(url);
        }
        Ok(cloudwatchlogs::Client::from_conf(builder.build()))
    }

    /// A client for the instance metadata of EC2 (IMDSv2), where environment and profile say that it is. One attempt a question, and as
    /// many more as somebody wants.
    pub(super) fn metadata(&self) -> imds::Client {
        let provider = ProviderConfig::without_region().with_http_client(self.http.clone());
        let attempts = 1 + self.environment.imds_retries().unwrap_or_default();
        imds::Client::builder().configure(&provider).max_attempts(attempts).build()
    }

    fn loader(&self) -> ConfigLoader {
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(LOGIN_ATTEMPT).build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.http.clone())
            .timeout_config(timeouts)
            // Trying again is the work of `Renewing`. Said here, what environment and profile say of it is not even read: the SDK
            // panics at a value that it does not know, of which other AWS tools know some.
            .retry_config(RetryConfig::disabled())
            // Ours is the only cache, see `renewing`.
            .identity_cache(aws_sdk_sts::config::IdentityCache::no_cache())
            // Requests and answers are whole and small, and each call has its own limit, which grows with its body.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .request_min_compression_size_bytes(0);
        if let Some(chosen) = self.environment.chosen_profile() {
            loader = chosen::loader(loader, &chosen);
        }
        if let Ok(name) = AppName::new(env!("CARGO_PKG_NAME")) {
            loader = loader.app_name(name);
        }
        if let Some(url) = &self.all {
            loader = loader.endpoint_url(url);
        }
        if let Some(dualstack) = self.dualstack {
            loader = loader.use_dual_stack(dualstack);
        }
        if let Some(fips) = self.fips {
            loader = loader.use_fips(fips);
        }
        loader
    }

    async fn load(&self, loader: ConfigLoader) -> Result<SdkConfig, SignInError> {
        profile::check(&self.env)?;
        load(loader).await
    }

    fn region(&self, loader: ConfigLoader) -> ConfigLoader {
        match (&self.region, &self.guess) {
            (Some(region), _) => loader.region(Region::new(region.clone())),
            (None, Guess::Metadata) if self.environment.imds_retries().is_some() => {
                loader.region(chosen::region(self.environment.chosen_profile().as_ref(), self.metadata()))
            }
            // The loader's own chain: environment, profile, metadata.
            (None, Guess::Metadata) => loader,
            (None, Guess::Is(guess)) => loader.region(
                RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
                    .or_else(ProfileFileRegionProvider::new())
                    .or_else(guess.clone()),
            ),
        }
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base").field("region", &self.region).finish_non_exhaustive()
    }
}

async fn load(loader: ConfigLoader) -> Result<SdkConfig, SignInError> {
    let config = loader.load().await;
    let region = config.region().ok_or(SignInError::NoRegion)?;
    // The configuration's own was checked. What is no part of a host name must not be kept: metadata may name another one later.
    match region::fault(region.as_ref()) {
        Some((Severity::Error, why, _)) => Err(SignInError::Unusable {
            advice: format!(
                "the AWS region {:?} cannot be used, {why}; check AWS_REGION, the AWS profile and the EC2 instance metadata",
                region.as_ref()
            ),
        }),
        _ => Ok(config),
    }
}

/// The call as a whole is limited by `put`, which knows how much it sends.
fn put_timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).disable_operation_attempt_timeout().disable_read_timeout().build()
}

/// The region in an IoT endpoint: `PREFIX.credentials.iot.REGION.amazonaws.com`.
fn region_of_endpoint(url: &str) -> Option<Region> {
    let (_, rest) = url.split_once(".credentials.iot.")?;
    let (region, _) = rest.split_once('.')?;
    Some(Region::new(region.to_owned()))
}

#[cfg(test)]
mod tests;
