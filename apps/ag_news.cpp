// The mean of word vectors, a GRU or convolutions on AG News or on texts of your own, every layer a sparse matrix product: ./run ag_news
#include <weft.hpp>
#include <weft/apps/baselines/tf_idf.hpp>
#include <weft/apps/models/text_nets.hpp>
#include <weft/apps/support/run.hpp>

using namespace weft;

int main(int argc, char** argv) {
  return guarded([&] {
    Run run(argc, argv, ag_news_recipe());
    const TextData texts = run.texts();
    ParamStore params(run.device(), run.seed());
    const TextNet net(Scope{params, run.form()}, texts.vocabulary.size(), texts.train.classes, run.options());
    run.show(summary(net, {run.options().steps, 1}, {.dtype = Dtype::i32}));
    TrainingData batches = text_batches(texts, run.options());
    batches.baselines.push_back({"tf-idf and logistic regression", [&] {
                                   return std::vector<Metric>{{"accuracy", tf_idf_accuracy(texts)}};
                                 }});
    return run.fit(net, params, batches, cross_entropy);
  });
}
