#pragma once

#include "engine/job_context.hpp"
#include "repo/repository.hpp"

#include <functional>
#include <stop_token>
#include <vector>

namespace backstay::core
{

/// Asks `question` of each pack, several at a time, and gives back the answers in their order. A
/// pack that is missing is as ready as it ever will be: whoever reads it tells what is lost.
std::vector<Readiness> ask_of_packs(
    Repository& repository, const std::vector<PackId>& packs, const EngineLimits& limits,
    const std::function<Readiness(const std::string& key, const std::stop_token&)>& question,
    const std::stop_token& stop);

/// Whether each can be read at once. Asks nothing of a store without an archive.
std::vector<Readiness> look_at_packs(Repository& repository, const std::vector<PackId>& packs,
                                     const EngineLimits& limits, const std::stop_token& stop);

} // namespace backstay::core
