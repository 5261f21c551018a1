#include "engine/pack_readiness.hpp"

#include "base/error.hpp"
#include "base/side_by_side.hpp"

namespace backstay::core
{

std::vector<Readiness> ask_of_packs(
    Repository& repository, const std::vector<PackId>& packs, const EngineLimits& limits,
    const std::function<Readiness(const std::string& key, const std::stop_token&)>& question,
    const std::stop_token& stop)
{
    std::vector<Readiness> answers(packs.size(), Readiness::ready);
    side_by_side("archive", packs.size(), limits.readers(repository.store(), stop), stop,
                 [&](std::size_t at, const std::stop_token& stopped) {
                     try {
                         answers[at] = question(pack_key(packs[at]), stopped);
                     } catch (const Error& error) {
                         if (error.code() != ErrorCode::not_found) {
                             throw;
                         }
                     }
                 });
    return answers;
}

std::vector<Readiness> look_at_packs(Repository& repository, const std::vector<PackId>& packs,
                                     const EngineLimits& limits, const std::stop_token& stop)
{
    if (!repository.store().describe(stop).archives_objects) {
        return std::vector<Readiness>(packs.size(), Readiness::ready);
    }
    return ask_of_packs(
        repository, packs, limits,
        [&repository](const std::string& key, const std::stop_token& stopped) {
            return repository.store().readiness(key, stopped);
        },
        stop);
}

} // namespace backstay::core
