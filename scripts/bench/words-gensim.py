# Trains word vectors with gensim for scripts/bench/words.mjs: a corpus file with a text of words on each line, options as JSON.
import json
import sys
import time

from gensim.models import Word2Vec

path, out, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
model = Word2Vec(
    vector_size=options["dimension"],
    window=options["window"],
    negative=options["negatives"],
    sample=options["subsample"],
    min_count=options["minCount"],
    sg=1 if options["method"] == "skipgram" else 0,
    workers=options["threads"],
    seed=options["seed"],
    alpha=options["rate"],
)
model.build_vocab(corpus_file=path)
began = time.perf_counter()
model.train(
    corpus_file=path,
    total_examples=model.corpus_count,
    total_words=model.corpus_total_words,
    epochs=options["epochs"],
)
seconds = time.perf_counter() - began
model.wv.save_word2vec_format(out, binary=True)
print(json.dumps({"seconds": seconds, "words": model.corpus_total_words * options["epochs"], "vocabulary": len(model.wv)}))
