//! CloudWatch through the AWS SDK: the adapter of `Put` and the ways to sign in.
