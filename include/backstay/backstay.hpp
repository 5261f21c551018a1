#pragma once

/// The C++ of backstay for hosts: header-only over the C ABI, C++17. RAII handles, exceptions of
/// type backstay::Error.

#include <backstay/data_source.hpp>
#include <backstay/engine.hpp>
#include <backstay/error.hpp>
#include <backstay/job.hpp>
#include <backstay/options.hpp>
#include <backstay/record.hpp>
#include <backstay/repository.hpp>
#include <backstay/snapshot.hpp>
#include <backstay/source.hpp>
#include <backstay/target.hpp>
