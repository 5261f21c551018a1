#include "base/record.hpp"
#include "canonical.hpp"

using namespace backstay::core;

// An input is a JSON text. What is read prints as JSON that reads as the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    accepts([&] {
        const std::string once = Record::from_json(as_text({data, size})).json();
        if (Record::from_json(once).json() != once) {
            found("a record prints otherwise the second time");
        }
    });
    return 0;
}
