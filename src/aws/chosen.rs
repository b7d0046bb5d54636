//! What the agent's `common-config.toml` chooses where the SDK would look by itself: the profile, its files, and how often instance metadata is asked.
//!
//! The SDK takes them from whoever builds its parts, not from the environment, so they are given to each part here.
use crate::config::settings::ChosenProfile;
#[allow(deprecated, reason = "the crate that these moved to is none of ours")]
use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
use aws_config::{
    ConfigLoader, Region,
    default_provider::credentials::DefaultCredentialsChain,
    environment::EnvironmentVariableRegionProvider,
    imds,
    meta::region::RegionProviderChain,
    profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider},
    provider_config::ProviderConfig,
};

/// The loader, with the chosen profile for all that it reads of one.
pub(super) fn loader(mut loader: ConfigLoader, chosen: &ChosenProfile) -> ConfigLoader {
    if let Some(name) = &chosen.name {
        loader = loader.profile_name(name);
    }
    match files(chosen) {
        Some(files) => loader.profile_files(files),
        None => loader,
    }
}

/// The keys of the chosen profile, and no others.
pub(super) fn keys(chosen: &ChosenProfile, provider: &ProviderConfig) -> ProfileFileCredentialsProvider {
    let mut builder = ProfileFileCredentialsProvider::builder().configure(provider);
    if let Some(name) = &chosen.name {
        builder = builder.profile_name(name);
    }
    match files(chosen) {
        Some(files) => builder.profile_files(files).build(),
        None => builder.build(),
    }
}

/// The default chain of keys with this client for its last link.
pub(super) async fn chain(provider: ProviderConfig, region: Region, metadata: imds::Client) -> DefaultCredentialsChain {
    DefaultCredentialsChain::builder().configure(provider).region(region).imds_client(metadata).build().await
}

/// The default chain of regions with this client for its last link.
pub(super) fn region(chosen: Option<&ChosenProfile>, metadata: imds::Client) -> RegionProviderChain {
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = chosen.and_then(|chosen| chosen.name.as_ref()) {
        profile = profile.profile_name(name);
    }
    if let Some(files) = chosen.and_then(files) {
        profile = profile.profile_files(files);
    }
    RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build())
        .or_else(imds::region::ImdsRegionProvider::builder().imds_client(metadata).build())
}

#[allow(deprecated, reason = "the crate that these moved to is none of ours")]
fn files(chosen: &ChosenProfile) -> Option<ProfileFiles> {
    let credentials = chosen.credentials.as_ref()?;
    let files = ProfileFiles::builder().with_file(ProfileFileKind::Credentials, credentials);
    // Most have none, and the SDK would say so each time.
    let config = chosen.config.as_ref().filter(|config| config.is_file());
    Some(config.into_iter().fold(files, |files, config| files.with_file(ProfileFileKind::Config, config)).build())
}
