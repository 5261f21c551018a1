#pragma once

#include "invocation.hpp"

#include <functional>

namespace command
{

/// Pulls a job to its end: progress, problems and (by `show`) other records; with --json everything
/// as it is. Returns the exit status by its summary; throws backstay::Error if it failed, after
/// printing the summary for --json. `show` gets what is neither progress, problem nor summary;
/// `finish` the summary; neither for --json.
struct Printing {
    std::function<void(const backstay::Record&)> show = {};
    std::function<void(const backstay::Record&)> finish = {};
};
int run_job(Invocation& invocation, backstay::Job job, const Printing& printing);

/// A job's failure, which its summary has told already.
class JobFailed : public backstay::Error
{
public:
    using backstay::Error::Error;
};

/// "name: 12 problems" and the like behind a summary.
std::string problems_text(const backstay::Record& summary);

} // namespace command
