"""What the checks say, by the name of the mistake: what is seen, its likely cause, the way out."""

HINTS = {
    # --- any task
    "stopped": """
        {function} stopped with {error}. The lines above say where. The check calls it with small
        data of the kinds that its docstring names.""",
    "nothing returned": """
        {function} returned None. A function that ends without return gives None. Return what its
        docstring names.""",
    "other parts": """
        {function} returned {found}, not the {count} things that its docstring asks for. End with:
        return {names}""",
    # --- 1. read_pairs
    "names: no text": """
        names holds {kind} objects. Later tasks take names apart at their underscores, so they must
        be text. A Path has it as file.stem.""",
    "names: with ending": """
        A name reads {name!r}, with the ending of its file. Image and mask would no longer share it
        if one of them were saved in another format. Take file.stem.""",
    "names: others": """
        There are {count} names, the first is {first!r}; the images are {expected} and so on. Take
        the stem of every image file, once.""",
    "names: not sorted": """
        The names are those of the images, but not sorted. The files come in any order, and folders
        list them differently on each machine. Sort the image files by stem first, then read images
        and masks in that order.""",
    "images: width first": """
        images has the shape {shape}: width and height have changed places. Pillow's resize takes
        (width, height), arrays and size are (height, width). Turn them round in the call of
        resize.""",
    "images: no colour": """
        images has the shape {shape}: the colours are gone. Without them a grey shirt and the grey
        wall behind it are one. Read the images as RGB, three channels.""",
    "images: shape": """
        images has the shape {shape}, not {expected}. It must hold every image in RGB, shrunk to
        size = (height, width), in one array: np.stack makes it from a list.""",
    "images: not uint8": """
        images are {dtype} with values up to {top:.4g}. All frames together stay in memory, where
        uint8 (0 to 255) takes a quarter of the room of float32. Keep uint8 here; the pipeline of
        task 3 scales batch by batch.""",
    "images: grey": """
        The three channels of images are equal: colour was dropped and grey copied three times.
        Open the images as they are, by convert('RGB').""",
    "images: BGR": """
        A frame is {colour} in red, green, blue, and images have {found} there: red and blue are
        exchanged. OpenCV reads BGR, and [..., ::-1] turns it round. Return RGB.""",
    "images: other colours": """
        A frame is {colour} in red, green, blue, and images have {found} there. Keep the colours as
        they are in the file, from 0 to 255.""",
    "images: pixels left out": """
        Fine grain, black and white, keeps {share:.0%} of its contrast in the small images: pixels
        were left out. That is right for masks, but images flicker by it. Shrink images smoothly,
        such as with Pillow's Image.Resampling.BILINEAR.""",
    "masks: width first": """
        masks has the shape {shape}: width and height have changed places. Pillow's resize takes
        (width, height), arrays and size are (height, width).""",
    "masks: channels": """
        masks has the shape {shape}: the channels of the files are still there. Some masks are
        stored as RGB, but a pixel is the person's or not, one value. Read each mask in one
        channel, such as by convert('L').""",
    "masks: stacked": """
        The masks do not fit into one array, as their shapes differ: the files have 1, 3 or 4
        channels. Read each mask in one channel, such as by convert('L'), and shrink it to
        size.""",
    "masks: empty": """
        {count} masks are True nowhere, that of {name} for example, though each file shows a
        person. In the files 255 is the person, so == 1 finds nobody. Compare in the middle, such
        as mask >= 128.""",
    "masks: shape": """
        masks has the shape {shape}, and {expected} was expected. It must hold one mask an image,
        each shrunk to size = (height, width). np.stack makes one array from a list.""",
    "masks: grey": """
        masks hold {count} different values, such as {value:.3g}. Smooth interpolation makes greys
        between person and background, which are neither. Shrink masks by nearest neighbour or by
        a vote: True where at least half of the area was.""",
    "masks: not bool": """
        masks are {dtype} with the values {values}, not bool. With numbers, &, | and a mean say
        something else than they seem to. Compare, such as mask >= 128, and you have True and
        False.""",
    "masks: alpha": """
        The mask of {name} is True on {share:.0%} of the frame. Its file has a fourth channel,
        alpha, which is 255 everywhere, and any() over all channels finds it. Read the mask as
        grey, by convert('L').""",
    "masks: background": """
        The masks are True on {share:.0%} of the pixels: the background is marked. In the files,
        255 is the person. True belongs there.""",
    "pairs: shuffled": """
        {wrong} of {count} images have the mask of another image. The two lists come in different
        orders, and zip pairs what stands in one place. Pair by name: sort both by stem, or look up
        each image's mask by its stem.""",
    "pairs: names of others": """
        Images and masks fit, but the names belong to others: the first name is {name}, the first
        image that of {image}. Sort the files once, and take names, images and masks from the
        sorted list.""",
    "masks: grown": """
        The masks cover {share:.0%} more than the persons do. Smooth interpolation blurs the
        outline, and > 0 counts every pixel that the blur reached. Use nearest neighbour, or cut at
        half: True where at least half of the area was.""",
    "masks: shrunk": """
        The masks cover {share:.0%} less than the persons do. Smooth interpolation blurs the
        outline, and == 255 leaves out every pixel that the blur reached. Use nearest neighbour, or
        cut at half: True where at least half of the area was.""",
    "masks: elsewhere": """
        The masks have the right area but lie elsewhere: they share {share:.0%} with the persons. A
        mask may have been turned, or cropped instead of shrunk. Resize the whole mask just as the
        image is resized.""",
    # --- 2. split_sequences
    "split: no frames": """
        The lists hold {strange!r}, which is no name of a frame. If you split a list of sequences,
        go back to the frames at the end: all names whose sequence was drawn.""",
    "split: empty part": """
        {part} is empty. A share of few sequences may round to none, and slices may be taken from
        the wrong end. Give every part one sequence at least.""",
    "split: too few": """
        With four sequences {part} is empty. A share of so few may round to none, and the docstring
        promises one sequence each at least. Take max(1, ...) of them.""",
    "split: by number": """
        Kata_F2 and Taichi_F2, and all such pairs, are always on one side: the second part of a
        name was the group. The number counts within an activity. A sequence is activity AND
        number, the first two parts of a name.""",
    "split: frames twice": """
        {count} frames stand in two lists or twice in one, {name} for example. Overlapping slices
        do that. A frame belongs to exactly one list, or the test holds what was trained on.""",
    "split: frames lost": """
        {count} of {total} frames are in none of the lists, {name} for example. What is neither
        test nor validation is for training: take the rest.""",
    "split: by camera": """
        {count} sequences are on several sides, each camera whole: {name} is one. C0, C1 and C2
        film the same person in the same room at the same moment, so the test still holds what was
        trained on. The group is activity and sequence, without camera.""",
    "split: by frame": """
        Frames of {count} sequences are on several sides, {name} for example: single frames were
        drawn. A frame looks like the one before it, so such a test asks for memory only. Draw
        sequences, and let each take all its frames along.""",
    "split: by activity": """
        Each activity is on one side: all of one kind of dance went to one list. The group is
        activity AND sequence, the first two parts of a name, such as Kata_F2. Then a network meets
        every activity in training, and new people and rooms in the test.""",
    "split: exchanged": """
        Asked for validation=0.1 and test=0.3, the lists hold {shares}. Validation and test have
        changed places. The order to return is train, validation, test.""",
    "split: shares": """
        Asked for validation=0.1 and test=0.3, the lists hold {shares}. Both are shares of all
        frames, not of what is left, and the arguments decide, not fixed numbers. Count how many
        sequences make each share.""",
    "split: not sorted": """
        The names of {part} are not sorted. The docstring promises sorted lists, so that two people
        get the same lists. Return sorted(...).""",
    "split: unseeded": """
        Two calls with the same names and seed gave two different splits. A draw without a seed
        cannot be repeated, and its test frames slip into the next training. Draw with
        np.random.default_rng(seed).""",
    "split: by order": """
        The same names in another order gave another split. A set, and a folder's listing, have an
        order that differs from run to run. Sort the sequences before you shuffle them.""",
    "split: seed unused": """
        The seeds 0 to 4 all give the same split, so the seed is not used, or nothing is drawn.
        Without a draw, the test holds the last activities only. Shuffle the sequences with
        np.random.default_rng(seed).""",
    # --- 3. make_batches
    "batches: no dataset": """
        make_batches returned a {kind}, not a tf.data.Dataset. Begin with
        tf.data.Dataset.from_tensor_slices((images, masks)).""",
    "batches: no pairs": """
        An element of the dataset is not a pair (image, mask). Keras takes the first of a pair as
        input and the second as truth. Give from_tensor_slices a tuple of the two, and let functions
        in map return a tuple.""",
    "batches: endless": """
        With training={training} the dataset never ends: repeat() does that. An epoch would have no
        length. Leave repeat out, train adds it.""",
    "batches: unknown length": """
        The dataset does not know its length, and train plans the learning rate by it. A generator
        or filter does that. Start from from_tensor_slices, then shuffle, batch and map.""",
    "batches: none": """
        With training={training} an element is one image, {shape}: there are no batches. Add
        .batch(batch_size).""",
    "batches: last dropped": """
        With training={training}, {count} frames in batches of {size} come back as {found}: the
        short last batch was dropped. In validation these frames are never scored. Leave
        drop_remainder out.""",
    "batches: lengths": """
        With training={training}, {count} frames in batches of {size} come back as batches of
        {lengths}. An epoch shows every frame once, batch_size at a time; only the last batch may
        be short.""",
    "batches: no channel": """
        With training={training} a batch of masks has the shape {shape}, without a channel. The
        network's output is (N, H, W, 1), and against (N, H, W) a loss may compare every image with
        every mask. Add the axis: masks[..., None].""",
    "batches: shape": """
        With training={training} a batch has the shapes {found}; {expected} were expected. Take the
        size from the images, not from the notebook's constants.""",
    "batches: not scaled": """
        With training={training} images have values up to {top:.0f}. A network's weights are made
        for inputs near 1, and the package's prediction scales to [0, 1], so training must too.
        Cast to float32 and divide by 255.""",
    "batches: scaled twice": """
        With training={training} no image value is above {top:.4f}: they were divided by 255 twice.
        tf.image.convert_image_dtype scales already. Scale once.""",
    "batches: not float32": """
        With training={training} images are {image} and masks {mask}. Losses multiply the one by
        the other, for which both must be float32. Use tf.cast(..., tf.float32).""",
    "batches: out of range": """
        With training={training} image values run from {low:.2f} to {top:.2f}, outside of [0, 1].
        Brightness and contrast lead out of it, and so does scaling to [-1, 1]. Clip with
        tf.clip_by_value(image, 0, 1) after the last change of colours.""",
    "batches: mask divided": """
        With training={training} the largest value of a mask is {top:.4f}: True became 1, and was
        divided by 255 together with the image. Divide the image alone.""",
    "batches: mask of 255": """
        With training={training} masks go up to {top:.0f}. The truth of a pixel is 0 or 1. The
        masks come in as bool: tf.cast(mask, tf.float32) is all they need.""",
    "batches: mask recoloured": """
        With training={training} the background of a mask is {value:.2f} instead of 0: the change
        of colours was applied to the mask too. Colours belong to the image alone; only what moves
        pixels is done to both.""",
    "batches: mask grey": """
        With training={training} masks hold values between 0 and 1, such as {value:.2f}. Rotating,
        zooming or resizing a mask with bilinear interpolation makes them. Use
        interpolation='nearest' for masks.""",
    "batches: validation augmented": """
        With training=False, {count} of {total} images are not as they were given, whatever their
        order: they were augmented. Validation measures, so it stays the same from epoch to epoch.
        Augment only if training.""",
    "batches: validation shuffled": """
        With training=False, only {count} of {total} images are in the place where they were given:
        the frames are shuffled. Scores and pictures are matched to names by their place. Shuffle
        only if training.""",
    "batches: validation masks": """
        With training=False the images are as given, but the masks are not those given with them.
        Pass both through every step as one pair.""",
    "batches: persons lost": """
        With training=True only {count} of {total} masks hold a person; {expected} were given.
        Cropping, zooming or shifting goes too far. Make the changes smaller.""",
    "batches: image moved": """
        In {count} of {total} augmented pairs the mask is not on the person: the images were moved,
        the masks never. The network would learn that the person is where they are not. Whatever
        moves pixels is done to image and mask, by the same draw.""",
    "batches: mask moved": """
        In {count} of {total} augmented pairs the mask is not on the person: the masks were moved,
        the images never. Whatever moves pixels is done to image and mask, by the same draw.""",
    "batches: two draws": """
        In {count} of {total} augmented pairs the mask is not on the person: both were moved, by
        different draws. Two calls of a random function draw twice. Put image and mask on one
        another with tf.concat(..., axis=-1), flip once and take them apart, or give a stateless
        function the same seed for both, and a new one for each frame.""",
    "batches: not augmented": """
        In {epochs} epochs with training=True, every frame came as it was given: there is no
        augmentation. A small set is then learned by heart. Flip left and right at least, image and
        mask by one draw.""",
    "batches: never flipped": """
        The person stood at the left, and in {total} augmented frames never at the right: there is
        no left-right flip, or the wrong axis is turned. Python's or NumPy's random inside map
        draws once, when map is called, and a stateless function with a fixed seed draws the same
        each time. Use tf.image.random_flip_left_right, or draw with tf.random.""",
    "batches: always flipped": """
        The person stood at the left, and in {total} augmented frames always at the right: every
        frame is mirrored, none left as it is. Python's or NumPy's random inside map draws once,
        when map is called, and a stateless function with a fixed seed draws the same each time.
        Use tf.image.random_flip_left_right, or draw with tf.random.""",
    "batches: not shuffled": """
        With training=True the frames come in the order in which they were given. They are sorted
        by film, so every batch would hold one person in one room. Add .shuffle(len(images),
        seed=seed) before batch.""",
    "batches: small buffer": """
        In {epochs} epochs no frame of the second half came among the first {first}: the buffer of
        shuffle is smaller than the set, and sorted films stay sorted. Let it hold all frames:
        .shuffle(len(images)).""",
    "batches: same order": """
        The frames are shuffled, but in the same order in {epochs} epochs, so the same frames meet
        in a batch each time. Arrays shuffled beforehand, reshuffle_each_iteration=False, or
        cache() after shuffle do that. Let the dataset shuffle, after cache().""",
    "batches: same company": """
        In {epochs} epochs each batch held the same frames together: whole batches were shuffled,
        not frames. batch(...) before shuffle(...) does that. Shuffle first, then make batches.""",
    "batches: same augmentation": """
        {epochs} epochs showed exactly the same augmented images: each frame was changed once, for
        ever. cache() after the augmentation does that, and so does a seed that never changes.
        Augment after cache(), with a new draw each time.""",
    # --- 4. build_network
    "network: no model": """
        build_network returned a {kind}, not a keras.Model. End with: return keras.Model(image,
        logits)""",
    "network: width first": """
        The input is {shape}: width and height have changed places. Keras' shapes are (height,
        width, channels).""",
    "network: input": """
        build_network({height}, {width}) has the input {shape}. It must be (None, {height},
        {width}, 3): use the two arguments, not the notebook's constants.""",
    "network: momentum": """
        {count} layers of batch normalisation have the momentum {momentum}. After a hundred steps a
        third of their first, made-up statistics is still there, and validation fails while
        training looks well. Write layers.BatchNormalization(momentum=0.9).""",
    "network: frozen": """
        {count} of {total} layers cannot learn, {name} for example: trainable is False. There are no
        weights from elsewhere here, so they would keep their random start. Leave trainable as it
        is.""",
    "network: small output": """
        For an image of {height} x {width} the output is {found}. The decoder doubles less often
        than the encoder halves. Give every pooling and every stride of 2 a doubling on the way
        up.""",
    "network: classes": """
        The output has {count} channels. Person or not is one question, so one logit a pixel is
        enough. End with a convolution of 1 filter, without activation.""",
    "network: outputs": """
        The network has {count} outputs. `train` compares one output with the mask. Return the
        logits at full size alone.""",
    "network: output": """
        The output has the shape {shape}, and {expected} was expected: one logit for each pixel of
        each image. Keep height, width and one channel up to the end.""",
    "network: weights of one size": """
        Built for {height} x {width} and for 64 x 64 pixels, the network has weights of different
        shapes: a Dense layer after Flatten, or a Resizing to one size, ties it to the size.
        Convolutions alone fit any size, and training on windows of the frames needs that.""",
    "network: softmax": """
        Whatever the image, the output is exactly 1. A softmax over a single channel is always 1: it
        makes shares, and there is only one. Leave the last activation out.""",
    "network: sigmoid": """
        All outputs lie between {low:.2f} and {top:.2f}: a sigmoid at the end makes probabilities
        of the logits. The loss and the prediction of this course apply it themselves, and it would
        act twice. Leave the last activation out.""",
    "network: relu": """
        No output is below 0 and many are exactly 0: the last layer ends in a ReLU. A logit below 0
        means background, so no pixel could be it. Leave the last activation out.""",
    "network: no skips": """
        Every way from the image to the logits leads through the coarsest grid, {rows} rows high.
        Where exactly an edge runs gets lost there, and an arm is thinner than one of its cells.
        Hand the encoder's result of each size over to the decoder: layers.Concatenate()([x,
        skip]).""",
    "network: blind": """
        The logit in the middle does not depend on the image at all. Somewhere the way from the
        image to the output is cut, such as by rounding, argmax or stop_gradient. Follow x from
        layer to layer: each must be called on what came before.""",
    "network: narrow view": """
        A logit depends on {rows} x {columns} pixels around it. So narrow a view shows a piece of
        cloth, and cannot tell a person from a mannequin. Halve more often: every halving doubles
        what each 3 x 3 convolution sees.""",
    "network: dead weights": """
        {count} of {total} weights have no influence on the logits, {name} for example. They would
        never learn. Something cuts the way from them to the output: stop_gradient, a rounding, a
        product with 0.""",
    # --- 5. person_loss
    "loss: a number a pixel": """
        The loss has the shape {shape}, a number for each pixel. Keras' binary_crossentropy
        averages over the last axis, the one channel, or not at all. Average over the pixels:
        ops.mean(..., axis=(1, 2, 3)).""",
    "loss: shape": """
        The loss has the shape {shape}; one number an image, ({count},), or one for the batch was
        expected. Sum and average over the axes 1, 2 and 3.""",
    "loss: log of negative": """
        For logits between -6 and 6 the loss is {value}. The logarithm of a negative number is nan:
        logits were taken for probabilities. Use from_logits=True, or ops.sigmoid first.""",
    "loss: no gradient": """
        The loss has no gradient: a little more or less of a logit changes nothing. A threshold (>,
        round) or NumPy inside the loss does that, and training stands still. Put the
        probabilities, ops.sigmoid(logits), where the mask of 0 and 1 would stand.""",
    "loss: upside down": """
        Right logits cost {right:.3f} and wrong ones {wrong:.3f}: the loss is upside down. Dice is a
        score, which grows as things get better, and training makes the loss small. Return 1 -
        Dice.""",
    "loss: clipped": """
        Wrong logits of size 1.5 cost {mild:.3f}, and of size 6 {wrong:.3f}, the same: logits were
        taken for probabilities, and all outside of [0, 1] was clipped. Cross-entropy needs
        from_logits=True; a formula of your own needs ops.sigmoid(logits).""",
    "loss: raw logits": """
        Right logits cost {right:.3f}, logits of 0 {nothing:.3f} and wrong ones {wrong:.3f}: each
        should cost more than the one before. Logits may be negative, so a sum of them is no area.
        Make probabilities of them, ops.sigmoid(logits), before you compute with them.""",
    "loss: swapped": """
        With mask and logits exchanged the loss does what it should, so they are exchanged inside.
        Keras gives the truth first and the output second, to a loss and to its own functions.
        Write person_loss(mask, logits), and pass them on in this order.""",
    "loss: background ignored": """
        The logits of the background have no influence on the loss. A network that calls every
        pixel a person would be perfect. Count false alarms too: in Dice they are in the
        denominator, in cross-entropy they are the pixels with mask 0.""",
    "loss: sigmoid twice": """
        Perfect logits, 30 on the person and -30 elsewhere, cost {small:.3f} for a small person and
        {large:.3f} for a large one; for both they should cost the least there is. A sigmoid that
        is applied twice never gets to 0 or 1. Give logits to what expects logits
        (from_logits=True), and one sigmoid to what expects probabilities.""",
    "loss: empty mask cheap": """
        To mark nobody, the same logit everywhere, costs {share:.0%} of what knowing nothing costs:
        one pixel in 25 is a person, and the mean over all pixels hardly hears it. Plain
        cross-entropy is like that. Add a Dice loss, or weight the person's pixels.""",
    "loss: empty frame": """
        For a frame without a person the loss is {value}: something is divided by an area, and the
        area is 0. One such frame makes all weights nan. Add a pixel: in Dice above and below, (2 *
        both + 1) / (a + b + 1), in a weighted mean below, / (area + 1).""",
    "loss: large logits": """
        For logits of 200 and -200 the loss or its gradient is not finite. There the sigmoid is
        exactly 0 or 1 in float32, and the logarithm of 0 is infinite. Give the logits to
        ops.binary_crossentropy(..., from_logits=True), which is exact.""",
    # --- 6. judge
    "scores: no dict": """
        The table is a {kind}, not a dict. It holds a row for each sequence: {{'Kata_F2': (dice,
        iou), ...}}.""",
    "scores: by camera": """
        The table has a row for each camera, {row} and so on. Three cameras show one performance,
        so three such rows are no three pieces of evidence. A sequence is the first two parts of a
        name, all cameras together.""",
    "scores: validation too": """
        The table holds {row}, a sequence of the validation frames. They chose the threshold, so
        their scores flatter. The table is for the test frames alone.""",
    "scores: rows": """
        The table has the rows {found} and so on; {expected} and so on were expected, one for each
        sequence of the test frames. A sequence is the first two parts of a name, joined by an
        underscore.""",
    "scores: no pair": """
        A row of the table is {row}, and not a pair of numbers. Give (dice, iou) for each sequence,
        two means over its frames.""",
    "scores: both empty": """
        Two empty masks got {found}: their Dice and IoU are 0 / 0. Nobody was there and nobody was
        found, so the two agree: count 1. Ask for this case before you divide.""",
    "scores: exchanged": """
        A frame with Dice {dice:.3f} and IoU {iou:.3f} got {found}: exchanged. IoU is never above
        Dice. Return (dice, iou).""",
    "scores: Dice as IoU": """
        A frame with Dice {dice:.3f} and IoU {iou:.3f} got {found}: Dice was given as IoU. Dice
        divides twice the shared area by the sum of both areas, IoU divides the shared area by the
        area that either covers, (a | b).sum().""",
    "scores: formula": """
        A frame with Dice {dice:.3f} and IoU {iou:.3f} got {found}. Dice is twice the shared area
        over the sum of both areas, IoU the shared area over the area that either covers, both at
        the frame's own size. Add nothing to smooth them: that is for losses.""",
    "scores: one empty": """
        Frames where only one of mask and prediction is empty got {found}. They share no pixel, so
        they score 0; only two empty masks score 1. Ask whether both are empty.""",
    "scores: pooled": """
        {name} has frames with Dice {dices}, mean {right:.3f}, and got {found:.3f}: the pixels of
        all frames were thrown together. In such a pool a large person outvotes a small one. Score
        each frame, then take the mean.""",
    "scores: mean of cameras": """
        {name} has frames with Dice {dices}, mean {right:.3f}, and got {found:.3f}: a mean over
        cameras, in which the only frame of C1 counts as much as both of C0. Take one mean over all
        frames of the sequence.""",
    "scores: IoU of means": """
        The IoU of {name} was computed from the mean of its Dice. IoU = Dice / (2 - Dice) holds for
        one frame, and not for a mean. Compute both for each frame, then the two means.""",
    "scores: means": """
        {name} has frames with Dice {dices}, mean {right:.3f}, and got {found:.3f}. A row is the
        mean over all frames of the sequence, those of every camera.""",
    "threshold: not of the nine": """
        The threshold is {found}, which is not one of THRESHOLDS. It is the probability itself, not
        its place in the list and not its logit. Return THRESHOLDS[np.argmax(...)].""",
    "threshold: tuned on test": """
        The threshold is {found:.1f}, and the validation frames have their best mean Dice at
        {right:.1f}: the test frames chose it. A score is then the best of nine tries on the very
        frames it speaks of. Choose on validation alone, and use the choice on the test.""",
    "threshold: pooled": """
        The threshold is {found:.1f}, and the validation frames have their best mean Dice at
        {right:.1f}. Yours is best for the pixels of all frames thrown together, where one large
        person outvotes four small ones. Take Dice of each frame, then the mean.""",
    "threshold: mean of sequences": """
        The threshold is {found:.1f}, and the validation frames have their best mean Dice at
        {right:.1f}. Yours is best for the mean over sequences, in which a lone frame counts as
        much as four of one sequence. Here every validation frame counts alike.""",
    "threshold: IoU": """
        The threshold is {found:.1f}, and the validation frames have their best mean Dice at
        {right:.1f}. Yours is best for the mean IoU, which may prefer another one. Choose by
        Dice.""",
    "threshold: empty masks": """
        The threshold is {found:.1f}, and the validation frames have their best mean Dice at
        {right:.1f}. Some of these frames have an empty mask: nobody found there scores 1, somebody
        found 0. Do not leave such frames out of the mean, and count two empty masks as 1.""",
    "threshold: on logits": """
        The threshold is {found:.1f}, and the validation frames have their best mean Dice at
        {right:.1f}. Logits were compared with a probability: a logit of 0.5 is a probability of
        0.62. Compare like with like: logits > log(t / (1 - t)), or sigmoid(logits) > t.""",
    "threshold: one half": """
        The threshold is 0.5, and the validation frames have their best mean Dice at {right:.1f}.
        One half is a habit, not a law. Try every one of THRESHOLDS on the validation frames and
        keep the best.""",
    "threshold: not the best": """
        The threshold is {found:.1f}, and the validation frames have their best mean Dice at
        {right:.1f}. For each of THRESHOLDS, take the mean of the Dice of the single validation
        frames. np.argmax finds where it is largest.""",
    "threshold: table on logits": """
        At the threshold {threshold:.1f} the test frames have the Dice {right:.2f}, and the table
        says {found:.2f}: for the table, logits were compared with a probability. Compare like with
        like: logits > log(t / (1 - t)), or sigmoid(logits) > t.""",
    "threshold: not used": """
        At the threshold {threshold:.1f} the test frames have the Dice {right:.2f}, and the table
        says {found:.2f}: it uses another threshold than the one returned. Choose first, on
        validation. Then score the test frames once, with the choice.""",
    "threshold: scores": """
        At the threshold {threshold:.1f} the test frames have the Dice {right:.2f}, and the table
        says {found:.2f}. Its rows are right at none of the nine thresholds, so the scores
        themselves are wrong. Put right what check_scores finds first.""",
    # --- 8. compose
    "compose: no channel": """
        Shapes do not fit: probability is (H, W), it has no axis for the channels of (H, W, 3).
        Write probability[..., None].""",
    "compose: no array": """
        compose returned an object of type {kind}, not a NumPy array. The cells below look into its
        pixels. Return np.asarray(...) of it, uint8.""",
    "compose: shape": """
        The picture has the shape {shape}, not {expected}. An (H, W) probability does not fit (H,
        W, 3) colours: give it a last axis, probability[..., None].""",
    "compose: not uint8": """
        The picture is {dtype} with values up to {top:.4g}. Pillow and PNG files want uint8 from 0
        to 255. Round, then .astype(np.uint8).""",
    "compose: black": """
        The picture is uint8 with no value above 1: black. Values in [0, 1] were cast to whole
        numbers. Compute with 0 to 255, or multiply by 255 first.""",
    "compose: changed in place": """
        compose changed the {name} that it was given. Whoever calls it twice pastes on what was
        pasted before. Make a new array, such as by .copy() or by computing.""",
    "compose: exchanged": """
        Where the probability is 1 the background shows, and where it is 0 the image: they are
        exchanged. The person is where the probability is high. Weight the image with p and the
        background with 1 - p.""",
    "compose: BGR": """
        Red and blue are exchanged: the image comes in as RGB and must leave so. Leave the order of
        the channels alone.""",
    "compose: shines through": """
        Where the probability is 1 the picture must be the image, and differs from it by {off:.0f}
        on average (of 255). A background that is added in full shines through. Its weight is 1 -
        p.""",
    "compose: no background": """
        Where the probability is 0 the picture must be the background, and differs from it by
        {off:.0f} on average (of 255). Weight the image with p and the background with 1 - p.""",
    "compose: hard edge": """
        The probability rises from 0 to 1 over {width} pixels. Below one half, {lower:.0%} of them
        are a mixture of image and background, and above it {upper:.0%}; the rest is cut hard. A
        mask of 0 and 1 cuts hair and blurred hands with scissors. Blend by the probability itself,
        without a threshold or too steep a curve.""",
    "compose: overflow": """
        {share:.0%} of the picture is darker or lighter than both image and background. uint8 wraps
        around: 50 - 200 is 106 there. Compute in float, such as image.astype(float), and cast to
        uint8 at the end.""",
}
